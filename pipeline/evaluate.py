"""Lifts people whose 3D is known from one picture and compares the other views with the truth.

Asked are the student, an untrained one, and two answers that never look: the mean of the teacher's planes and its mean
person. The ceiling is the student on held-out people of its own teacher. Writes OUTPUT/puppets.json (every picture's numbers)
and OUTPUT/puppets.png, prints a table. suite=… says which people, people=… and views=… how many.
"""

import sys
import time
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from pipeline.build import instantiate, to_plain, verb
from pipeline.evaluation.answers import Answer, constant_answer, fresh_student, student_answer
from pipeline.evaluation.protocol import Result, ask
from pipeline.evaluation.provenance import command, hardware, peak_memory_gib, sha256_of, versions
from pipeline.evaluation.puppet_suite import PuppetSuite
from pipeline.evaluation.report import METRICS, REPORT_SCHEMA, summary, table, to_json
from pipeline.evaluation.suite_sheet import suite_sheet
from pipeline.evaluation.teacher_suite import mean_planes, teachers_people
from pipeline.evaluation.text_file import write_text
from pipeline.inference.device import device_named
from pipeline.lifter import Lifter
from pipeline.pictures import write_png
from pipeline.sampling.sampler import TeacherSampler
from pipeline.training.calibration import calibrate
from pipeline.training.held_out import FIRST_HELD_OUT
from teachers.teacher import Teacher

EXPLANATION = {
    "psnr": "likeness of the whole picture, 10 log10(4 / mean squared error of RGB in [-1, 1])",
    "psnr_person": "the same over the pixels that truly show the person",
    "ssim": "structural similarity, Gaussian window of 11 pixels, σ 1.5",
    "depth": "mean absolute depth error inside both silhouettes, world units (a head is about 0.4 high)",
    "depth_aligned": "the same after the best scale and shift: shape without distance",
    "mask_iou": "overlap of the silhouettes",
}


@verb("evaluate")
def main(config: DictConfig) -> None:
    """Photographs, asks, reports."""
    started = time.perf_counter()
    settings, output, device = to_plain(config), Path(config.output), device_named(config.device)
    lifter = Lifter.load(Path(config.checkpoint)).to(device)
    sampler = build_sampler(config, lifter).to(device)
    suite: PuppetSuite = instantiate(config.suite)
    puppets = suite.photograph(lifter.passport)
    image_size = int(getattr(lifter.encoder, "image_size"))  # noqa: B009 (nn.Module types it Tensor)
    results = ask(answers(lifter, sampler, settings), puppets, image_size=image_size, device=device, shown=config.shown)
    held_out = range(FIRST_HELD_OUT, FIRST_HELD_OUT + config.ceiling_people)
    student = student_answer(lifter, "ceiling", "student on its teacher's people")
    people = teachers_people(sampler_of(sampler.teacher, config, config.ceiling_seed).to(device), held_out)
    (ceiling,) = ask([student], people, image_size=image_size, device=device)
    report = described(config, lifter, suite) | scored([*results, ceiling], suite)
    report["run"] = this_run(results[0], time.perf_counter() - started)
    if results[0].shown:
        write_png(output / "puppets.png", suite_sheet(puppets, results))
    write_text(output / "puppets.json", to_json(report))
    _say(f"{table(report['scores'])}\n")
    run = report["run"]
    _say(f"one lift takes {run['lift_ms']:.0f} ms, one view {run['render_ms']:.0f} ms; {run['seconds']:.0f} s in all")
    _say(f"pictures: {output / 'puppets.png'}; all numbers: {output / 'puppets.json'}")


def build_sampler(config: DictConfig, lifter: Lifter) -> TeacherSampler:
    """The student's own teacher and how it is drawn from.

    Raises:
        ValueError: the teacher isn't the student's.
    """
    teacher: Teacher = instantiate(config.teacher)
    lifter.passport.require_same(teacher.passport, mine=f"the student {config.checkpoint}", others="the teacher")
    return sampler_of(teacher, config, config.seed)


def sampler_of(teacher: Teacher, config: DictConfig, seed: int) -> TeacherSampler:
    """Draws people as a distillation does."""
    return TeacherSampler(teacher=teacher, cameras=instantiate(config.cameras), latents=instantiate(config.sampler.latents), seed=seed)


def answers(lifter: Lifter, sampler: TeacherSampler, settings: dict[str, Any]) -> list[Answer]:
    """The student first, then what it has to beat."""
    untrained = fresh_student(lifter, seed=settings["seed"])
    if settings["calibration_samples"]:
        calibrate(untrained.encoder, sampler, samples=settings["calibration_samples"])  # type: ignore[arg-type]
    with torch.no_grad():
        mean_person = sampler.teacher.synthesize(sampler.teacher.mean_latent())
    return [
        student_answer(lifter),
        student_answer(untrained, "untrained", "untrained"),
        constant_answer(lifter, mean_planes(sampler, settings["mean_of"]), "mean_planes", "mean planes"),
        constant_answer(lifter, mean_person, "mean_latent", "mean person"),
    ]


def described(config: DictConfig, lifter: Lifter, suite: PuppetSuite) -> dict[str, Any]:
    """What was evaluated."""
    path = Path(config.checkpoint)
    return {
        "schema": REPORT_SCHEMA,
        "suite": "puppets",
        "settings": suite.settings()
        | {"split": "test", **{key: config[key] for key in ("ceiling_people", "ceiling_seed", "mean_of", "calibration_samples")}},
        "checkpoint": {
            "path": str(path),
            "sha256": sha256_of(path),
            "step": lifter.step,
            "encoder_parameters": sum(parameter.numel() for parameter in lifter.encoder.parameters()),
            "image_resolution": lifter.passport.image_resolution,
            "teacher": lifter.passport.name,
            "teacher_hash": lifter.passport.source_hash,
        },
        "metrics": {
            metric: {"unit": METRICS[metric][1], "more_is_better": METRICS[metric][2], "is": EXPLANATION[metric]} for metric in METRICS
        },
    }


def scored(results: list[Result], suite: PuppetSuite) -> dict[str, Any]:
    """Means with 95 % intervals, and every picture."""
    return {
        "scores": {result.answer.name: {"title": result.answer.title, **summary(result.rows, suite.gaps_deg)} for result in results},
        "rows": [row.as_dict() for result in results for row in result.rows],
    }


def this_run(student: Result, seconds: float) -> dict[str, Any]:
    """What would differ another time."""
    return {
        "command": command("evaluate"),
        "seconds": round(seconds, 1),
        **{name: round(value, 2) for name, value in student.speed().items()},
        "peak_memory_gib": peak_memory_gib(),
        "hardware": hardware(),
        "versions": versions(),
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
