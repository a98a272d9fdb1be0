"""Time to quality: when does a student reach what the readable code has after 600 steps?

Both ways train the same student from scratch with the bundled teacher, on the same seeds, and are
scored on the same held-out samples. A run is a folder that continues where it stopped, so the whole
can be interrupted at any time; its curve is read from its metrics and kept as CSV. Seconds are of
training alone: validation and previews don't count.
"""

import csv
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.machine import ROOT

STEPS = 600
BATCH = 8
EVERY = 25
"""Steps between validations, and between the rows of the speed."""

COMMON = (
    "experiment=laptop",
    f"batch_size={BATCH}",
    f"trainer.log_every={EVERY}",
    f"callbacks.validation.every_steps={EVERY}",
    f"callbacks.preview.every_steps={STEPS}",
)

WAYS = {
    "readable": (
        "optimizer=adam_short", "kernels=readable", "plan.stages.planes.steps=250",
        "callbacks.average.half_life=100",
        f"trainer.max_steps={STEPS}",
    ),
    "today": (),
}  # fmt: skip
"""Settings of each way: that of 967260b, and that of this checkout."""

SSIM_NOISE, DEPTH_NOISE = 0.002, 0.01
"""Differences below these don't count as worse: successive validations differ by as much."""

COLUMNS = ("step", "seconds", "psnr", "ssim", "depth")


def train(way: str, seed: int, folder: Path, *, extra: Sequence[str] = (), seconds: float) -> bool:
    """Trains one run, or continues it; whether it is complete.

    Args:
        way: of `WAYS`.
        seed: of the run; the held-out samples are the same for all.
        folder: of the run.
        extra: further settings.
        seconds: after which it is stopped, to be continued another time.
    """
    done = folder / "complete"
    if done.exists():
        return True
    folder.mkdir(parents=True, exist_ok=True)
    settings = [*COMMON, *WAYS[way], *extra, f"seed={seed}", f"paths.run={folder / 'run'}"]
    with (folder / "output.txt").open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.verbs.distill", *settings],
            cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.terminate()  # it saves its state and exits
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
                process.wait()
            return False
    if code:
        text = (folder / "output.txt").read_text(errors="replace").strip().splitlines()
        raise RuntimeError(f"{way}, seed {seed}: {' '.join(text[-1:])} (see {folder})")
    done.touch()
    return True


def curve(run: Path) -> list[dict[str, float]]:
    """Validations of a run: step, seconds of training until then, PSNR and SSIM of the novel view,
    depth error.
    """
    rows = sorted(metrics(run), key=lambda row: row["step"])
    points: dict[float, dict[str, float]] = {}
    speeds = {row["step"]: row["speed/samples_per_second"] for row in rows
              if "speed/samples_per_second" in row}  # fmt: skip
    names = {
        "psnr": "validation/psnr_novel",
        "ssim": "validation/ssim_novel",
        "depth": "validation/depth_error_weighted",
    }
    for row in rows:
        if names["psnr"] in row:
            seconds = seconds_until(row["step"], speeds)
            scores = {key: row[name] for key, name in names.items() if name in row}
            points[row["step"]] = {"step": row["step"], "seconds": seconds, **scores}
    return list(points.values())


def seconds_until(step: float, speeds: dict[float, float]) -> float:
    """Seconds of training until a step: each logged speed holds since the one before, and the last
    one until the end.
    """
    total, before, speed = 0.0, 0.0, next(iter(speeds.values()), float("inf"))
    for logged in sorted(speeds):
        speed = speeds[logged]
        if logged >= step:
            break
        total += (logged - before) * BATCH / speed
        before = logged
    return total + (step - before) * BATCH / speed


def metrics(run: Path) -> Iterator[dict[str, float]]:
    """The rows of all parts of a run; where two have the same step, the later part's count."""
    merged: dict[int, dict[str, float]] = {}
    parts = sorted(
        run.glob("metrics/version_*/metrics.csv"), key=lambda path: int(path.parent.name[8:])
    )
    for path in parts:
        with path.open(newline="") as stream:
            for row in csv.DictReader(stream):
                known = {name: float(value) for name, value in row.items() if value}
                merged.setdefault(int(known["step"]), {}).update(known)
    yield from merged.values()


def crossing(points: Sequence[dict[str, float]], psnr: float) -> dict[str, float] | None:
    """Where a curve first reaches a PSNR, between validations linearly; None: never."""
    before = None
    for point in points:
        if point["psnr"] >= psnr:
            if before is None:
                return dict(point)
            share = (psnr - before["psnr"]) / (point["psnr"] - before["psnr"])
            return {key: before[key] + share * (point[key] - before[key]) for key in point}
        before = point
    return None


def write_curve(path: Path, points: Sequence[dict[str, float]]) -> None:
    """As CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows(points)


def measure(
    work: Path, results: Path, *, seeds: Sequence[int], seconds: float, extra: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """All runs, seed by seed and way by way: {"way", "seed", "curve", "is_complete"}.

    Args:
        work: folder of the runs, which are continued.
        results: folder of the curves.
        seeds: of the runs.
        seconds: for all of them.
        extra: further settings of all runs.
    """
    started, runs = time.monotonic(), []
    for seed in seeds:
        for way in WAYS:
            left = seconds - (time.monotonic() - started)
            folder = work / f"{way}_{seed}"
            is_complete = left > 0 and train(way, seed, folder, extra=extra, seconds=left)
            points = curve(folder / "run")
            if points:
                write_curve(results / "curves" / f"{way}_{seed}.csv", points)
                runs.append({"way": way, "seed": seed, "curve": points, "is_complete": is_complete})
    return runs


def verdicts(runs: Sequence[dict[str, Any]]) -> list[dict[str, str]]:
    """Lines of the table of targets."""
    found = [pair for seed in dict.fromkeys(run["seed"] for run in runs)
             if (pair := compared([run for run in runs if run["seed"] == seed]))]  # fmt: skip
    title, target = "time to quality of laptop", "≤ 0.4 × readable's time at 600 steps' PSNR"
    if not found:
        return [{"title": title, "target": target, "measured": "–",
                 "verdict": "no pair of runs is complete, or none reaches it"}]  # fmt: skip
    ratio = statistics.median(one["ratio"] for one in found)
    worse = [one for one in found if one["ssim"] < -SSIM_NOISE or one["depth"] > DEPTH_NOISE]
    steps, seconds = (statistics.median(one[key] for one in found) for key in ("step", "seconds"))
    text = "met" if ratio <= 0.4 else f"missed by a factor of {ratio / 0.4:.2f}"
    if worse:
        text += f"; SSIM or depth worse at the crossing in {len(worse)} of {len(found)} seeds"
    measured = f"{ratio:.2f} × ({steps:.0f} steps, {seconds:.0f} s; {len(found)} seeds)"
    return [{"title": title, "target": target, "measured": measured, "verdict": text}]


def compared(runs: Sequence[dict[str, Any]]) -> dict[str, float] | None:
    """One seed: the ratio of times; at the crossing, the difference in SSIM and the relative one in
    depth error.
    """
    ways = {run["way"]: run for run in runs}
    if set(ways) != set(WAYS) or not ways["readable"]["is_complete"]:
        return None
    last = ways["readable"]["curve"][-1]
    cross = crossing(ways["today"]["curve"], last["psnr"])
    if cross is None:
        return None
    return {
        "ratio": cross["seconds"] / last["seconds"],
        "step": cross["step"],
        "seconds": cross["seconds"],
        "ssim": cross.get("ssim", 0.0) - last.get("ssim", 0.0),
        "depth": cross["depth"] / last["depth"] - 1,
    }
