"""`python -m tests.benchmarks.rehearsal [--output FOLDER] [--device cuda]`: LP3D's run on faces in
small, before days of it are booked; offline.

A random checkpoint in the official format is converted, `experiment=lp3d_ffhq` is planned
(`dry_run`), trained for a few steps of every stage, killed in the adversarial one, continued, and
its student evaluated. `rehearsal.json` and `rehearsal.md` have the times of the steps beside the
planned ones. `--scale tiny --device cpu` rehearses the rehearsal.

Not in it: the losses whose networks have to be fetched first (VGG16, ArcFace).
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from pipeline.runs.curves import read_curves
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.generator import Generator
from teachers.stylegan.discriminator import Discriminator
from tests.benchmarks.machine import machine
from tests.builders import REPOSITORY, STUDENT_SETTINGS, process_environment
from tests.teachers.eg3d import official_format as official

STAGES = ("reconstruction", "adversarial", "adversarial_both_views")
STEPS = 4
"""Of each stage."""

ABSENT = ("perceptual", "identity")
"""Losses whose networks have to be fetched first."""

SMALL = {
    "z_dim": 8, "w_dim": 16, "plane_resolution": 16, "plane_channels": 4, "channel_base": 64,
    "channel_max": 8, "depth_samples": 6, "importance_samples": 6, "render_resolution": 8,
    "image_resolution": 128, "super_resolution": "2X",
}  # fmt: skip
"""The tiny generator; the full one is FFHQ's."""


def main() -> None:
    """Rehearses, writes, prints."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.rehearsal")
    parser.add_argument("--output", type=Path, default=Path("build/rehearsal"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--scale", choices=("full", "tiny"), default="full")
    parser.add_argument("--batch-size", type=int, default=4)
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("torch sees no GPU: install its CUDA build, or give --device cpu")
    document = rehearse(
        given.output, device=given.device, scale=given.scale, batch_size=given.batch_size
    )
    print(markdown(document))


def rehearse(folder: Path, *, device: str, scale: str, batch_size: int) -> dict[str, Any]:
    """All steps; ValueError with the output of the first that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, teacher, run = folder / "random.pkl", folder / "teacher", folder / "run"
    checkpoint.write_bytes(snapshot(scale))
    document: dict[str, Any] = {"machine": machine(), "scale": scale, "seconds": {}}

    def timed(name: str, verb: str, *settings: str) -> str:
        started = time.perf_counter()
        output = finished(verb, *settings)
        document["seconds"][name] = round(time.perf_counter() - started, 1)
        return output

    timed("convert", "convert", f"checkpoint={checkpoint}", f"output={teacher}", "overwrite=true",
          f"sheet_identities={0 if scale == 'tiny' else 1}")  # fmt: skip
    training = experiment(teacher, run, device, scale, batch_size)
    document["plan"] = timed("dry_run", "distill", *training, "dry_run=true")
    timed("to the adversary", "distill", *training, f"trainer.max_steps={STEPS + 1}")
    document["killed_at"] = killed("distill", *training, checkpoint=run / "checkpoints" / "last")
    timed("continued", "distill", *training)
    timed("evaluate", "evaluate", "suite=teacher", f"checkpoint={run / 'student.safetensors'}",
          "teacher=folder", f"teacher.path={teacher}", f"output={folder / 'evaluation'}",
          f"device={device}", "identities=2", "ceiling_identities=0", "mean_of=2",
          "calibration_samples=1", "methods=[student,mean_planes]", "suite.views=2",
          "suite.attribution.items=1", "suite.attribution.rounds=1",
          "suite.invariance.items=1", "cameras=lp3d_ffhq")  # fmt: skip
    document["measured"] = seconds_by_stage(run, batch_size)
    (folder / "rehearsal.json").write_text(json.dumps(document, indent=1) + "\n")
    (folder / "rehearsal.md").write_text(markdown(document))
    return document


def snapshot(scale: str) -> bytes:
    """A random checkpoint with its discriminator, as the official code pickles it."""
    torch.manual_seed(0)
    config = EG3DConfiguration.from_dict(SMALL if scale == "tiny" else {})
    sizes = {"channel_base": config.channel_base, "channel_max": config.channel_max}
    critics = {**sizes, "channel_base": max(config.channel_base, 8 * config.image_resolution)}
    critic = Discriminator(
        resolution=config.image_resolution, image_channels=6, label_dim=25, **critics
    )
    module = f"SuperresolutionHybrid{config.super_resolution}"
    content = official.official_snapshot(
        official.official_weights(Generator(config)),
        critic.state_dict(),
        init_kwargs={**sizes, "img_resolution": config.image_resolution, "sr_num_fp16_res": 4},
        rendering_kwargs=official.published_settings(
            superresolution_module=f"training.superresolution.{module}",
            image_resolution=config.image_resolution,
            depth_resolution=config.depth_samples,
            depth_resolution_importance=config.importance_samples,
        ),
        discriminator_init_kwargs=critics,
        resolution=config.render_resolution,
        superresolution_class=module,
    )
    return official.official_pickle(content)


def experiment(
    teacher: Path, run: Path, device: str, scale: str, batch_size: int
) -> tuple[str, ...]:
    """The settings of the distillation: the published ones, but for lengths and lost networks."""
    small = ("student=tiny", *STUDENT_SETTINGS) if scale == "tiny" else ()
    return (
        "experiment=lp3d_ffhq",
        f"teacher.path={teacher}",
        f"paths.run={run}",
        f"trainer={'one_gpu' if device == 'cuda' else 'cpu'}",
        "loss=[triplane,image,feature]",
        *(f"plan.stages.{stage}.weights.{name}=0" for stage in STAGES[:-1] for name in ABSENT),
        *small,
        f"batch_size={batch_size}",
        f"trainer.max_steps={len(STAGES) * STEPS}",
        *(f"plan.stages.{stage}.steps={STEPS}" for stage in STAGES[:-1]),
        "trainer.log_every=1",
        "callbacks.state.every_steps=1",
        f"callbacks.validation.every_steps={len(STAGES) * STEPS}",
        "callbacks.validation.samples=2",
        "callbacks.validation.batch_size=1",
        "callbacks.preview.identities=0",
    )


def finished(verb: str, *settings: str) -> str:
    """The output of a verb in a process of its own."""
    done = subprocess.run(
        command(verb, *settings), capture_output=True, text=True, env=environment(), cwd=REPOSITORY
    )
    if done.returncode:
        raise ValueError(f"trilift {verb} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def killed(verb: str, *settings: str, checkpoint: Path) -> str:
    """Kills a training once it has saved a step more; returns the time when."""
    before = changed(checkpoint)
    process = subprocess.Popen(
        command(verb, *settings), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=environment(), cwd=REPOSITORY, start_new_session=True,
    )  # fmt: skip
    try:
        while process.poll() is None and changed(checkpoint) == before:
            time.sleep(0.02)
        if process.poll() is not None:
            raise ValueError(f"trilift {verb} ended by itself before it was to be killed")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return time.strftime("%H:%M:%S")


def command(verb: str, *settings: str) -> list[str]:
    """Of a process that runs a verb of this checkout."""
    return [sys.executable, "-m", f"pipeline.verbs.{verb}", *settings]


def environment() -> dict[str, str]:
    """Offline, all cores."""
    given = process_environment(HF_HUB_OFFLINE="1")
    if "OMP_NUM_THREADS" not in os.environ:
        del given["OMP_NUM_THREADS"]
    return given


def changed(path: Path) -> int:
    """When a file or folder was made; 0: it isn't there."""
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def seconds_by_stage(run: Path, batch_size: int) -> dict[str, float]:
    """Of a step, the median of each stage without its first step."""
    speeds = read_curves(run / "metrics")["speed/samples_per_second"]
    found: dict[str, float] = {}
    for number, stage in enumerate(STAGES):
        steps = range(number * STEPS + 1, (number + 1) * STEPS)
        times = [batch_size / speed for step, speed in speeds if step in steps]
        found[stage] = statistics.median(times)
    return found


def planned(plan: str) -> dict[str, str]:
    """Seconds a step by stage, from the table of a dry run."""
    lines = [re.split(r"  +", line.strip()) for line in plan.splitlines()]
    head = next(line for line in lines if line[0] == "stage")
    column = head.index("s/step")
    return {line[0]: line[column] for line in lines if line[0] in STAGES}


def markdown(document: dict[str, Any]) -> str:
    """The report."""
    plan = planned(document["plan"])
    steps = [
        f"| {stage} | {plan.get(stage, '–')} | {document['measured'].get(stage, 0):.3g} |"
        for stage in STAGES
    ]
    times = [f"| {name} | {seconds} |" for name, seconds in document["seconds"].items()]
    return "\n".join(
        [
            "# Rehearsal of lp3d_ffhq", "",
            "| stage | planned, s/step | measured, s/step |", "|---|---|---|", *steps, "",
            "| part | s |", "|---|---|", *times, "",
            f"Killed at {document['killed_at']} in the adversarial stage and continued.", "",
            "```", document["plan"].strip(), "```", "",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    main()
