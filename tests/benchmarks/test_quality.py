"""Time to quality, from the metrics of runs."""

import csv

import pytest

from tests.benchmarks import inversion_curves, quality


def write_metrics(run, part, rows):
    folder = run / "metrics" / f"version_{part}"
    folder.mkdir(parents=True)
    names = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / "metrics.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def row(step, speed=None, psnr=None):
    values = {"step": step}
    if speed is not None:
        values["speed/samples_per_second"] = speed
    if psnr is not None:
        values |= {
            "validation/psnr_novel": psnr,
            "validation/ssim_novel": psnr / 100,
            "validation/depth_error_weighted": 1 / psnr,
        }
    return values


def test_seconds_follow_the_logged_speeds(tmp_path):
    # 8 identities a step: 4 a second are 2 s a step, 8 a second 1 s.
    write_metrics(tmp_path, 0, [row(10, 4.0), row(20, 8.0), row(20, psnr=12.0), row(30, 4.0)])
    (point,) = quality.curve(tmp_path)
    assert (point["step"], point["seconds"], point["psnr"]) == (20, 30.0, 12.0)
    assert quality.seconds_until(15, {10: 4.0, 20: 8.0}) == 25.0
    assert quality.seconds_until(25, {10: 4.0, 20: 8.0}) == 35.0


def test_a_continued_run_is_one_curve(tmp_path):
    write_metrics(tmp_path, 0, [row(10, 4.0), row(10, psnr=10.0), row(20, psnr=11.0)])
    write_metrics(tmp_path, 10, [row(30, 4.0), row(30, psnr=13.0)])
    write_metrics(tmp_path, 2, [row(20, 4.0), row(20, psnr=12.0)])
    points = quality.curve(tmp_path)
    assert [(point["step"], point["psnr"]) for point in points] == [(10, 10), (20, 12), (30, 13)]
    assert [point["seconds"] for point in points] == [20.0, 40.0, 60.0]


def test_the_crossing_lies_between_validations():
    points = [
        {"step": 10.0, "seconds": 10.0, "psnr": 10.0},
        {"step": 20.0, "seconds": 40.0, "psnr": 14.0},
    ]
    assert quality.crossing(points, 11.0) == {"step": 12.5, "seconds": 17.5, "psnr": 11.0}
    assert quality.crossing(points, 9.0) == points[0]
    assert quality.crossing(points, 15.0) is None


def runs_of(today):
    readable = [
        {"step": 600.0, "seconds": 100.0, "psnr": 15.0, "ssim": 0.5, "depth": 0.1},
    ]
    return [
        {"way": "readable", "seed": 0, "curve": readable, "is_complete": True},
        {"way": "today", "seed": 0, "curve": today, "is_complete": False},
    ]


def test_the_verdict_names_what_is_worse_at_the_crossing():
    reached = {"step": 200.0, "seconds": 30.0, "psnr": 15.0, "ssim": 0.5, "depth": 0.1}
    (line,) = quality.verdicts(runs_of([reached]))
    assert line["measured"].startswith("0.30 × (200 steps, 30 s")
    assert line["verdict"] == "met"
    (line,) = quality.verdicts(runs_of([reached | {"depth": 0.2}]))
    assert "SSIM or depth worse" in line["verdict"]
    (line,) = quality.verdicts(runs_of([reached | {"seconds": 50.0}]))
    assert line["verdict"] == "missed by a factor of 1.25"
    (line,) = quality.verdicts(runs_of([reached | {"psnr": 14.0}]))
    assert line["measured"] == "–"


@pytest.mark.slow
def test_runs_are_continued_and_their_curves_kept(tmp_path):
    extra = [
        "batch_size=1", "trainer.max_steps=2", "trainer.log_every=1", "calibration_samples=1",
        "callbacks.validation={every_steps: 1, samples: 1}", "callbacks.preview.every_steps=100",
        "callbacks.preview.identities=1",
    ]  # fmt: skip
    for _ in range(2):
        runs = quality.measure(
            tmp_path / "work", tmp_path / "results", seeds=[0], seconds=400, extra=extra
        )
        assert [(run["way"], run["is_complete"]) for run in runs] == [
            ("readable", True),
            ("today", True),
        ]
    assert [point["step"] for point in runs[0]["curve"]] == [1, 2]
    assert all("ssim" in point for point in runs[0]["curve"])
    lines = (tmp_path / "results" / "curves" / "today_0.csv").read_text().splitlines()
    assert lines[0] == "step,seconds,psnr,ssim,depth" and len(lines) == 3


@pytest.mark.slow
def test_inversions_have_curves():
    found = inversion_curves.curves("tiny", lambda known: None)
    assert {curve["method"] for curve in found.values()} == {"W", "PTI", "student, refined"}
    assert all(len(curve["losses"]) >= 2 for curve in found.values())
