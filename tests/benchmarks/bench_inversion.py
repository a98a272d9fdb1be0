"""Quality and seconds of all methods on the same test puppets, in one run; prints the measured
speed-up of the student.

`python tests/benchmarks/bench_inversion.py checkpoint=student.safetensors [identities=2]
[share=0.1] [methods=student,w,w_plus,pti,hybrid]`

Small by default: `share` of the published steps (1: all of them). The true camera is given. The
bundled teacher's; without checkpoint= the bundled student.
"""

import os
import platform
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import torch

from pipeline.build.configuration import compose, instantiate
from pipeline.evaluation.metrics.image_metrics import psnr
from pipeline.inference.pretrained import student_file
from pipeline.inversion.models import Models
from pipeline.lifter import Lifter
from pipeline.sampling.random_streams import stream
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.checkpoint import discriminator_of, load_teacher
from teachers.rendering.camera import Camera

GAPS_DEG = (0.0, 7.5, 22.5, 37.5, 52.5)
"""Yaw between the given view and the others."""

STEPS = ("search.steps", "tuning.steps")
"""The published ones, of which a share is made; the hybrid makes its own."""


@dataclass
class Scores:
    """What a method came to: PSNR on the foreground in dB by gap, and seconds a photograph."""

    title: str
    by_gap: list[list[float]] = field(default_factory=lambda: [[] for _ in GAPS_DEG])
    seconds: list[float] = field(default_factory=list)


def build(name: str, share: float, models: Models) -> Any:
    """A method of conf/method, with a share of its steps."""
    config = compose("lift", "input=none", "output=none", f"method={name}").method
    config = {**config}
    for key in STEPS:
        part, setting = key.split(".")
        if part in config:
            config[part][setting] = max(1, round(config[part][setting] * share))
    return instantiate(config, models=models)


def photographs(identity: int, passport: Any) -> tuple[torch.Tensor, torch.Tensor, Camera]:
    """Views of a test puppet: the first is given. Pictures, where the identity is, cameras."""
    given = stream(0, identity, "benchmark/inversion").uniform(-20, 20)
    side = -1.0 if given > 0 else 1.0
    yaws = torch.tensor([given + side * gap for gap in GAPS_DEG]).deg2rad()
    camera = Camera.orbit(
        yaws,
        torch.zeros_like(yaws),
        radius=passport.camera_radius,
        pivot=passport.camera_pivot,
        focal=passport.focal,
    )
    views = PuppetWorld(supersampling=2).render(
        WorldSeeds.of(Split.TEST, [identity] * len(yaws)), camera, passport.image_resolution
    )
    return views.image(1.0 if passport.background != "black" else 0.0), views.opacity > 0.5, camera


def main() -> None:
    """Prints the machine, then a line a method."""
    given = dict(argument.split("=", 1) for argument in sys.argv[1:])
    identities, share = int(given.get("identities", 2)), float(given.get("share", 0.1))
    teacher = load_teacher("bundled/puppets")
    student = Lifter.load(student_file(given.get("checkpoint", "bundled/puppets_tiny")))
    models = Models(
        teacher=lambda: teacher,
        student=lambda: student,
        discriminator=discriminator_of,
    )
    methods = [
        build(name, share, models)
        for name in given.get("methods", "student,w,w_plus,pti,hybrid").split(",")
    ]
    results = [Scores(method.title) for method in methods]
    for identity in range(identities):
        images, where, cameras = photographs(identity, teacher.passport)
        for method, scores in zip(methods, results, strict=True):
            if method.kind == "student" and identity == 0:
                method.lift(images[:1], cameras[:1])  # warms up
            started = time.perf_counter()
            portrait = method.lift(images[:1], cameras[:1])
            scores.seconds.append(time.perf_counter() - started)
            seen = psnr(portrait.render(cameras).image.clamp(-1, 1), images, where)
            for row, value in enumerate(seen.tolist()):
                scores.by_gap[row].append(value)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, load {load}, torch"
        f" {torch.__version__}"
    )
    print(
        f"{identities} test puppets, {share:.0%} of the published steps, true cameras;"
        f" {'; '.join(methods[-1].notes)}"
    )
    print(
        f"{'PSNR on the foreground, dB, at a gap of':<36}"
        + "".join(f"{gap:6.0f}°" for gap in GAPS_DEG)
        + "   seconds   × student"
    )
    fastest = statistics.median(results[0].seconds)
    for scores in results:
        seconds = statistics.median(scores.seconds)
        row = "".join(f"{statistics.fmean(values):7.2f}" for values in scores.by_gap)
        print(f"{scores.title:<36}{row}{seconds:10.3f}{seconds / fastest:12.0f}")


if __name__ == "__main__":
    main()
