"""Draws docs/codec_planes.png and prints the tables of docs/streaming.md, "Planes made for codecs":
bits against the fidelity of rendered views, student by student.

Run from the repository's root, with the extra `stream` (minutes a student), with the students
bundled/puppets_tiny, runs/distill/codec_planes_none/student.safetensors and
runs/distill/codec_planes/student.safetensors.

Each student's normalisation is estimated anew from 64 training puppets. Views are compared with the
render of the *student's own* uncompressed planes, and with the world's truth, so that a student
whose planes are cheap because its views are blurred is seen: its distances to the truth grow, and
its detail (mean absolute difference of neighbouring pixels, as a share of the truth's) shrinks.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from streaming import (
    ANGLES,
    EVERY,
    FPS,
    FRAMES,
    IDENTITIES,
    Judge,
    clip,
    planes_by_codec,
    planes_of_people,
)
from torch import Tensor

from pipeline.evaluation.metrics.image_metrics import psnr, ssim
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter
from pipeline.streaming.normalisation import calibrate
from pipeline.worlds.puppets.sequences import render_moments
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.kernels import choose_kernels

OUTPUT = Path(__file__).resolve().parents[1] / "codec_planes.png"
QUALITIES = (2, 6, 10, 14, 18, 24)
GOALS_DB = (35.0, 40.0, 45.0)


@dataclass(frozen=True)
class Fidelity:
    """Of views: PSNR in dB, SSIM, LPIPS (NaN without its weights)."""

    psnr: float
    ssim: float
    lpips: float

    def __str__(self) -> str:
        return f"{self.psnr:.1f} | {self.ssim:.4f} | {self.lpips:.4f}"


@dataclass(frozen=True)
class Point:
    """A student at one quality (None: uncompressed): means over the films."""

    quality: int | None
    kbits: float
    largest_kb: float
    own: Fidelity
    truth: Fidelity
    detail: float


def main() -> None:
    """Measures, prints, draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("students", nargs="+", help="files, folders or bundled/NAME")
    parser.add_argument("--names", nargs="+", help="of the students in tables and figure")
    parser.add_argument("--qualities", nargs="+", type=int, default=QUALITIES)
    weights = Path(os.environ.get("TRILIFT_WEIGHTS", "weights"))
    parser.add_argument("--weights", type=Path, default=weights, help="of AlexNet")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    given = parser.parse_args()
    names = given.names or given.students
    if len(names) != len(given.students):
        parser.error(f"{len(names)} names came for {len(given.students)} students")
    torch.set_num_threads(1)
    os.environ["SVT_LOG"] = "1"
    choose_kernels("fast")
    print("| student | quality | kbit/s | largest frame, kB | PSNR, dB | SSIM | LPIPS |", end="")
    print(" PSNR to the truth, dB | SSIM | LPIPS | detail |")
    print("|" + "---|" * 11)
    curves = {
        name: measured(name, student, given.weights, given.qualities)
        for name, student in zip(names, given.students, strict=True)
    }
    print("\n".join(["", *at_equal_views(curves)]))
    draw(curves, given.output)


def measured(name: str, student: str, weights: Path, qualities: list[int]) -> list[Point]:
    """A student uncompressed and at every quality; prints rows."""
    lifter = Lifter.load(student_file(student)).requires_grad_(False)
    code = calibrate(lifter, planes_of_people(lifter))
    judge = Judge(lifter, weights)
    films = [(*clip(lifter, number), truth(judge, number)) for number in IDENTITIES]
    run = planes_by_codec("h264", code)
    points = []
    for quality in (None, *qualities):
        rows = [point(judge, run, quality, *film) for film in films]
        points.append(mean(rows))
        bits = "–" if quality is None else f"{points[-1].kbits:.0f}"
        print(
            f"| {name} | {'–' if quality is None else quality} | {bits} |"
            f" {points[-1].largest_kb:.1f} | {points[-1].own} | {points[-1].truth} |"
            f" {points[-1].detail:.3f} |",
            flush=True,
        )
    return points


def point(
    judge: Judge, run: object, quality: int | None, images: Tensor, planes: Tensor, true: Tensor
) -> Point:
    """One film at one quality."""
    reference = judge.views(planes)
    views, sizes = reference, np.zeros(1)
    if quality is not None:
        outcomes = list(run(images, planes, quality))
        views = judge.views(torch.stack([outcome[0] for outcome in outcomes]))
        sizes = np.array([outcome[1] for outcome in outcomes])
    return Point(
        quality,
        sizes.sum() * 8 * FPS / FRAMES / 1000,
        sizes.max() / 1000,
        fidelity(judge, views, reference),
        fidelity(judge, views, true),
        detail(views) / detail(true),
    )


def truth(judge: Judge, number: int) -> Tensor:
    """The world's own views of the frames that the judge looks at, in its order."""
    seeds, moments = WorldSeeds.of(Split.TEST, [number]), list(range(0, FRAMES, EVERY))
    views = [
        render_moments(
            PuppetWorld(), seeds, moments, camera.expand(len(moments)), 64, fps=FPS
        ).image(1.0)
        for camera in judge.cameras
    ]
    assert len(views) == len(ANGLES)
    return torch.stack(views, 1).flatten(0, 1)


def fidelity(judge: Judge, views: Tensor, reference: Tensor) -> Fidelity:
    """Means over views; 99 dB where they are equal."""
    lpips = np.nan if judge.lpips is None else float(judge.lpips.compare(views, reference))
    decibels = psnr(views, reference).clamp(max=99.0)
    return Fidelity(float(decibels.mean()), float(ssim(views, reference).mean()), lpips)


def detail(views: Tensor) -> float:
    """Mean absolute difference of neighbouring pixels."""
    return float(views.diff(dim=-1).abs().mean() + views.diff(dim=-2).abs().mean())


def mean(rows: list[Point]) -> Point:
    """Over films."""

    def of(kind: str) -> Fidelity:
        values = [
            [getattr(getattr(row, kind), n) for n in ("psnr", "ssim", "lpips")] for row in rows
        ]
        return Fidelity(*map(float, np.mean(values, 0)))

    kbits, largest, detailed = np.mean([[r.kbits, r.largest_kb, r.detail] for r in rows], 0)
    return Point(rows[0].quality, kbits, largest, of("own"), of("truth"), detailed)


def kbits_at(points: list[Point], decibels: float) -> float:
    """Of the curve, linear in the logarithm of the bits; NaN outside."""
    own = sorted((p for p in points if p.quality is not None), key=lambda p: p.own.psnr)
    return float(
        np.exp(
            np.interp(
                decibels,
                [p.own.psnr for p in own],
                np.log([p.kbits for p in own]),
                left=np.nan,
                right=np.nan,
            )
        )
    )


def at_equal_views(curves: dict[str, list[Point]]) -> list[str]:
    """A table: kbit/s at equal PSNR to the own uncompressed views, and against the first's."""
    lines = [
        "| PSNR to the own views, dB | " + " | ".join(curves) + " |",
        "|" + "---|" * (1 + len(curves)),
    ]
    first = next(iter(curves.values()))
    for goal in GOALS_DB:
        cells = []
        for points in curves.values():
            bits, ratio = kbits_at(points, goal), kbits_at(points, goal) / kbits_at(first, goal)
            beside = "" if points is first else f" ({100 * (ratio - 1):+.0f} %)"
            cells.append(f"{bits:.0f}{beside}")
        lines.append(f"| {goal:g} | " + " | ".join(cells) + " |")
    return lines


def draw(curves: dict[str, list[Point]], output: Path) -> None:
    """Left: against the own views. Right: LPIPS (or else PSNR) to the truth."""
    has_lpips = not any(np.isnan(p.truth.lpips) for points in curves.values() for p in points)
    name, label = ("lpips", "LPIPS") if has_lpips else ("psnr", "PSNR, dB")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.0), dpi=110)
    for student, points in curves.items():
        coded = points[1:]
        bits = [p.kbits for p in coded]
        (line,) = left.plot(bits, [p.own.psnr for p in coded], "o-", label=student, ms=4)
        right.plot(
            bits, [getattr(p.truth, name) for p in coded], "o-", color=line.get_color(), ms=4
        )
        right.axhline(getattr(points[0].truth, name), color=line.get_color(), lw=0.8, ls="--")
    left.set(xscale="log", xlabel="kbit/s at 30 frames/s", ylabel="PSNR, dB")
    left.set_title("Views against the student's own, uncompressed", fontsize=10)
    right.set(xscale="log", xlabel="kbit/s at 30 frames/s", ylabel=label)
    right.set_title("Views against the truth (dashed: uncompressed)", fontsize=10)
    left.legend(fontsize=8)
    for axes in (left, right):
        axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(output)


if __name__ == "__main__":
    main()
