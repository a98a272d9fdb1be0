"""Ray samplers of a frozen teacher: look-ups, distance from dense images, people a second.

    python tests/benchmarks/bench_samplers.py                       # the bundled teacher
    python tests/benchmarks/bench_samplers.py proposals=runs/distill/NAME/proposals.safetensors

Other arguments are `trilift distill`'s (`teacher=folder teacher.path=DIR cameras=lp3d_ffhq`). One
process with one thread, seconds of processor time, the median of rounds in which all take turns. A
person is planes and two views, as in distillation. Look-ups are counted in the readable code, per
pixel: of densities alone and of colours as well. PSNR is that of held-out volume renderings against
192 + 192 samples, with samples in the middle of their strata, and with the sampler's jitter. A
student's view is one with gradients to the planes, forward and backward.
"""

import logging
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.build.configuration import compose, instantiate
from pipeline.build.sampler import build_sampler
from pipeline.distillation.proposal_scores import dense_images
from pipeline.distillation.proposal_training import Views, draw_views, volume_renderer
from pipeline.sampling.learned_marcher import LearnedMarcher, TrainedProposals
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from pipeline.sampling.view_rendering import ViewRendering
from teachers.checkpoint import teacher_folder
from teachers.kernels import use_kernels
from teachers.rendering.renderer import TriplaneRenderer, marcher_of

PASSES = [
    ("reused", 48, 48),
    ("reused", 24, 24),
    ("reused", 16, 16),
    ("proposal", 32, 32),
    ("proposal", 24, 24),
    ("proposal", 16, 16),
    ("proposal", 12, 12),
]
LEARNED = [(6, 12), (8, 16), (12, 24), (16, 32)]
"""Samples of most rays and of the hardest."""

BATCH, ROUNDS, COUNTED = 8, 3, 2
"""Identities at once, rounds, and of how many identities look-ups are counted."""


class CountingField:
    """A field that counts its look-ups."""

    def __init__(self, field: Any) -> None:
        self.field, self.full, self.density = field, 0, 0
        self.density_activation = field.density_activation

    def __call__(self, points: Tensor) -> tuple[Tensor, Tensor]:
        self.full += points.shape[0] * points.shape[1]
        seen: tuple[Tensor, Tensor] = self.field(points)
        return seen

    def density_logit(self, points: Tensor) -> Tensor:
        """Densities alone."""
        self.density += points.shape[0] * points.shape[1]
        logits: Tensor = self.field.density_logit(points)
        return logits


@dataclass(frozen=True)
class Result:
    """One sampler's row."""

    name: str
    density: float
    full: float
    psnr: float
    psnr_jittered: float
    milliseconds: float
    student_milliseconds: float
    people: float

    def row(self) -> str:
        """Of the table."""
        return (
            f"| {self.name} | {self.density:.1f} | {self.full:.1f} | {self.psnr:.2f}"
            f" | {self.psnr_jittered:.2f} | {self.milliseconds:.1f}"
            f" | {self.student_milliseconds:.1f} | {self.people:.1f} |"
        )


def main(arguments: list[str]) -> None:
    """Prints the table."""
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    own = dict(one.split("=", 1) for one in arguments if one.startswith("proposals="))
    config = compose("distill", *(one for one in arguments if not one.startswith("proposals=")))
    teacher = instantiate(config.teacher)
    sampler = build_sampler(config, teacher)
    renderer = volume_renderer(teacher.renderer, None)
    given = own.get("proposals", f"{config.teacher.path}/proposals.safetensors")
    changes = {f"{kind} {c} + {f}": _passes(kind, c, f) for kind, c, f in PASSES}
    if Path(teacher_folder(given)).is_file():
        trained = TrainedProposals.load(teacher_folder(given))
        changes |= _learned(trained, f"learned ({trained.step} steps)")
    else:
        print(f"no proposal network at {given}: only the others")
    with use_kernels("fast"):
        held_out = sampler.for_scores(0)
        numbers = [FIRST_HELD_OUT + n for n in range(BATCH)]
        views = draw_views(held_out, numbers)
        dense = dense_images(renderer, views, 192)
        rows = []
        for name, change in changes.items():
            rows.append(_measured(name, renderer.changed(**change), views, dense, held_out))
            print(*rows[-1], flush=True)
        times = _times({name: _people(config, teacher, change) for name, change in changes.items()})
        view_times, student_times = (
            _times(
                {
                    name: _view(renderer.changed(**change), views, held_out, learns=learns)
                    for name, change in changes.items()
                },
                rounds=1 if learns else ROUNDS,
            )
            for learns in (False, True)
        )
    print("| samples | densities | look-ups | PSNR | jittered | ms/view | student's | people/s |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, *values in rows:
        views_ms = (1000 * found[name] / BATCH for found in (view_times, student_times))
        print(Result(name, *values, *views_ms, BATCH / times[name]).row())


def _passes(kind: str, coarse: int, fine: int) -> dict[str, Any]:
    return {"first_pass": kind, "depth_samples": coarse, "importance_samples": fine}


def _learned(trained: TrainedProposals, title: str) -> dict[str, dict[str, Any]]:
    return {
        f"{title}: {samples}, {hard}": {
            "first_pass": LearnedMarcher(proposals=trained, samples=samples, hard_samples=hard)
        }
        for samples, hard in LEARNED
    }


@torch.no_grad()
def _measured(
    name: str, renderer: TriplaneRenderer, views: Views, dense: Tensor, sampler: Any
) -> tuple[str, float, float, float, float]:
    """Name, look-ups of densities and of colours per pixel, PSNR without and with jitter."""
    triplane, camera = views
    one = triplane.with_planes(triplane.planes[:COUNTED])
    with use_kernels("readable"):
        field = CountingField(renderer.field(one))
        marcher_of(renderer.sampling)(
            field, camera[:COUNTED], renderer.resolution, renderer.sampling
        )
    pixels = COUNTED * renderer.resolution**2
    jitter = sampler.jitter(torch.arange(len(triplane)), "novel", renderer)
    errors = [
        (renderer(triplane, camera, None, one).image_raw - dense).square().mean()
        for one in (None, jitter)
    ]
    found = [10 * math.log10(4 / float(error)) for error in errors]
    return name, field.density / pixels, field.full / pixels, found[0], found[1]


def _view(
    renderer: TriplaneRenderer, views: Views, sampler: Any, *, learns: bool
) -> Callable[[], object]:
    triplane, camera = views
    jitter = sampler.jitter(torch.arange(len(triplane)), "novel", renderer)

    def work() -> None:
        planes = triplane.planes.clone().requires_grad_(learns)
        seen = renderer(triplane.with_planes(planes), camera, None, jitter)
        if learns:
            seen.image_raw.square().mean().backward()

    return work


def _people(config: Any, teacher: Any, change: dict[str, Any]) -> Callable[[], object]:
    sampler = build_sampler(config, teacher)
    sampler.rendering.update({view: ViewRendering(**change) for view in sampler.rendering})
    return lambda: sampler(range(BATCH))


def _times(works: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Seconds of processor time, the median of rounds in which all take turns."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            work()
            found[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in found.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
