import csv
import io
import json
import math

import numpy as np
import pytest
from PIL import Image

from pipeline.sweeps.cell import Cell, CellRecord
from pipeline.sweeps.earlier import earlier_cells
from pipeline.sweeps.pareto import Point, front, pareto_picture
from pipeline.sweeps.report import FAILED, FINISHED, UNFINISHED, write_report
from pipeline.sweeps.results import Outcome, last_scores, outcomes_of, rows_of
from pipeline.sweeps.table import cells_csv, markdown, rows_csv


@pytest.fixture
def outcome(tmp_path):
    def make(
        student: str, seed: int, state: str = "finished", error: str | None = None, **numbers: float
    ) -> Outcome:
        varied = (("student", student), ("seed", str(seed)))
        return Outcome(
            Cell("distill", (), varied, tmp_path / f"{student}-{seed}"), state, error, numbers
        )

    return make


def test_seeds_are_reported_together_as_mean_and_sample_deviation(outcome):
    rows = rows_of(
        [outcome("tiny", seed, psnr_novel=value) for seed, value in enumerate((10.0, 12.0, 14.0))]
        + [outcome("base", 0)]
    )
    assert [(row.title, len(row.outcomes)) for row in rows] == [
        ("student=tiny", 3),
        ("student=base", 1),
    ]
    assert (rows[0].mean("psnr_novel"), rows[0].deviation("psnr_novel")) == (12.0, 2.0)
    assert rows[1].mean("psnr_novel") is None


def test_only_finished_cells_count(outcome):
    (row,) = rows_of(
        [outcome("tiny", 0, psnr_novel=10.0), outcome("tiny", 1, "interrupted", psnr_novel=2.0)]
    )
    assert row.mean("psnr_novel") == 10.0 and row.deviation("psnr_novel") is None
    (row,) = rows_of([outcome("tiny", 0, psnr_novel=10.0), outcome("tiny", 1, psnr_novel=math.nan)])
    assert row.mean("psnr_novel") == 10.0


def test_the_tables_say_the_numbers_what_failed_and_what_is_left(outcome):
    outcomes = [
        outcome("tiny", 0, psnr_novel=14.0, lift_ms=18.04, parameters=2_695_536.0, minutes=6.0),
        outcome("tiny", 1, psnr_novel=15.0, lift_ms=18.04, parameters=2_695_536.0, minutes=6.0),
        outcome("base", 0, "failed", "exit status 1: out | of memory"),
        outcome("base", 1, "interrupted"),
    ]
    rows = rows_of(outcomes)
    text = markdown(rows)
    assert "| setting | finished | psnr_novel | lift, ms | parameters, M | minutes |" in text
    assert (
        "| student=tiny | 2/2 | 14.50 ± 0.71 | 18.0 | 2.70 | 6.0 |" in text
        and "| student=base | 0/2 | – | – | – | – |" in text
    )
    assert "- `base-0`: exit status 1: out | of memory" in text and "Not finished: `base-1`" in text
    (tiny, _) = csv.DictReader(io.StringIO(rows_csv(rows)))
    assert (float(tiny["psnr_novel"]), float(tiny["psnr_novel_sd"]), tiny["finished"]) == (
        14.5,
        pytest.approx(0.7071, abs=1e-4),
        "2",
    )
    cells = list(csv.DictReader(io.StringIO(cells_csv(outcomes))))
    assert [cell["state"] for cell in cells] == ["finished", "finished", "failed", "interrupted"]
    assert (
        cells[0]["parameters"] == "2695536"
        and cells[2]["error"] == "exit status 1: out | of memory"
    )


def test_a_seed_that_two_cells_ran_counts_once_and_what_failed_is_still_said(tmp_path):
    def outcome(name, varied, seed, state, **numbers):
        configuration = None if seed is None else {"seed": seed}
        cell = Cell("distill", (), varied, tmp_path / name, configuration)
        return Outcome(cell, state, "why" if state == "failed" else None, numbers)

    zero, one = ("seed", "0"), ("seed", "1")
    (row,) = rows_of(
        [
            outcome("seed-0", (zero,), 0, "failed"),
            outcome("seed-1", (one,), 1, "finished", psnr_novel=14.0),
            outcome("default", (), 0, "finished", psnr_novel=10.0),
            outcome("again-1", (one,), None, "finished", psnr_novel=99.0),
            outcome("unknown", (), None, "new"),
        ]
    )
    assert row.mean("psnr_novel") == 12.0 and len(row.outcomes) == 5
    assert "| all | 2/3 |" in markdown([row]) and "- `seed-0`: why" in markdown([row])
    (line,) = csv.DictReader(io.StringIO(rows_csv([row])))
    assert (line["cells"], line["finished"]) == ("3", "2")


def point(title: str, quality: float, lift_ms: float, parameters: float) -> Point:
    return Point(title, float(quality), None, float(lift_ms), float(parameters))


def test_the_front_is_what_nothing_beats_in_all_of_quality_time_and_size():
    good, small, fast, beaten = (
        point("a", 15, 20, 3e6),
        point("b", 14, 20, 2e6),
        point("c", 13, 10, 3e6),
        point("d", 12.9, 12, 3e6),
    )
    assert front([good, small, fast, beaten]) == [good, small, fast]
    assert front([point("x", 1, 5, 1), point("y", 1, 5, 1)]) == [
        point("x", 1, 5, 1),
        point("y", 1, 5, 1),
    ]
    assert front([good, point("e", 15.1, 20, 3e6)], more_is_better=False) == [good]


def test_the_picture_shows_the_front_in_colour_and_the_beaten_grey():
    pixels = pareto_picture(
        [point("a", 15, 20, 3e6), point("b", 14, 25, 4e6)], quality="psnr_novel"
    )
    colours = {tuple(colour) for colour in pixels.reshape(-1, 3).tolist()}
    assert (
        pixels.dtype == np.uint8 and (0x1F, 0x6F, 0x8B) in colours and (0xB8, 0xB8, 0xB8) in colours
    )


def test_a_report_of_runs_with_students_has_sizes_times_and_a_picture(
    tmp_path, untrained_student, capsys
):
    cells = [
        Cell("distill", (), (("student", name),), tmp_path / name, {"student": name})
        for name in ("one", "two")
    ]
    for number, cell in enumerate(cells):
        cell.write(CellRecord("finished", cell.fingerprint, [], attempts=1, seconds=90.0))
        (cell.folder / "student.safetensors").write_bytes(untrained_student.read_bytes())
        (cell.folder / "metrics").mkdir()
        (cell.folder / "metrics" / "metrics.csv").write_text(
            f"step,train/loss,validation/psnr_novel\n5,1,\n9,,{12 + number}\n"
        )
    assert write_report(tmp_path, cells) == FINISHED
    one, two = outcomes_of(cells)
    assert (
        one.numbers["psnr_novel"],
        two.numbers["psnr_novel"],
        one.numbers["step"],
        one.numbers["minutes"],
    ) == (12.0, 13.0, 9.0, 1.5)
    assert one.numbers["lift_ms"] > 0 and one.numbers["parameters"] == two.numbers["parameters"] > 0
    assert {"cells.csv", "table.csv", "table.md"} <= {file.name for file in tmp_path.iterdir()}
    assert (
        Image.open(tmp_path / "pareto.png").size[0] == 900
        and "| student=two | 1/1 | 13.00 |" in capsys.readouterr().out
    )


def test_the_exit_status_says_whether_to_try_again(tmp_path):
    cells = [
        Cell("distill", (), (("seed", str(seed)),), tmp_path / str(seed), {"seed": seed})
        for seed in range(2)
    ]
    cells[0].write(CellRecord("finished", cells[0].fingerprint, []))
    assert write_report(tmp_path, cells) == UNFINISHED
    cells[1].write(CellRecord("failed", cells[1].fingerprint, [], error="why"))
    assert write_report(tmp_path, cells) == FAILED


def test_cells_of_earlier_commands_stay_in_the_tables_beside_their_likes(tmp_path, capsys):
    """Seeds 0 and 1 first, 2 in another command; one cell has another batch, one was killed."""

    def cell(name, *settings, state="finished", value=None):
        place = ("name=s/x", f"paths.run={tmp_path / name}", "hydra.mode=RUN")
        found = Cell("distill", (*settings, *place), (("seed", name[-1]),), tmp_path / name, {})
        found.write(CellRecord(state, found.fingerprint, [*found.overrides]))
        if value is not None:
            (found.folder / "metrics").mkdir()
            text = f"step,validation/psnr_novel\n9,{value}\n"
            (found.folder / "metrics" / "metrics.csv").write_text(text)
        return found

    cell("seed-0", "teacher=toy", "seed=0", value=10)
    cell("seed-1", "seed=1", "teacher=toy", value=12)
    cell("batch-0", "teacher=toy", "batch_size=4", "seed=0", value=20)
    cell("killed-5", "teacher=toy", "seed=5", state="running")
    cell("other-6", "seed=6", value=30)
    present = [cell("seed-2", "teacher=toy", "seed=2", value=14)]
    earlier = earlier_cells(tmp_path, present)
    assert write_report(tmp_path, present, earlier=earlier) == FINISHED
    said = capsys.readouterr().out
    assert "| all | 3/4 | 12.00 ± 2.00 |" in said and "Not finished: `killed-5`" in said
    assert "| batch_size=4 | 1/1 | 20.00 |" in said
    assert "| teacher=(not given) | 1/1 | 30.00 |" in said
    with (tmp_path / "cells.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6


def test_seeds_of_another_default_have_a_row_of_their_own(tmp_path, capsys):
    """Seeds 0 and 1 ran before a default changed, 2 and 3 after it, 4 to 6 in another batch."""

    def cell(seed, rate, *settings):
        configuration = {"seed": seed, "rate": rate, "name": f"s/{seed}", "_runtime_": ["name"]}
        overrides = (*settings, f"seed={seed}", f"paths.run={tmp_path / str(seed)}")
        varied = (("seed", str(seed)),)
        found = Cell("distill", overrides, varied, tmp_path / str(seed), configuration)
        found.write(CellRecord("finished", found.fingerprint, [*found.overrides]))
        recorded = {key: value for key, value in configuration.items() if key != "_runtime_"}
        (found.folder / "config.json").write_text(json.dumps(recorded))
        (found.folder / "metrics").mkdir()
        text = f"step,validation/psnr_novel\n9,{10 + seed}\n"
        (found.folder / "metrics" / "metrics.csv").write_text(text)
        return found

    for seed, rate in ((0, 0.1), (1, 0.1), (2, 0.2)):
        cell(seed, rate)
    for seed, rate in ((4, 0.1), (5, 0.2), (6, 0.1)):
        cell(seed, rate, "batch_size=4")
    present = [cell(3, 0.2)]
    assert write_report(tmp_path, present, earlier=earlier_cells(tmp_path, present)) == FINISHED
    said = capsys.readouterr().out
    assert "| all | 2/2 | 12.50 ± 0.71 |" in said and "| rate=0.1 | 2/2 | 10.50 ± 0.71 |" in said
    assert "| batch_size=4 | 2/2 | 15.00 ± 1.41 |" in said
    assert "| batch_size=4, rate=0.2 | 1/1 | 15.00 |" in said


def test_the_scores_of_a_teacher_s_training_are_its_last_in_multiples_of_the_floor(tmp_path):
    (tmp_path / "scores.csv").write_text(
        "images,pixels,diversity,view_error,pixels_floor\n"
        "1000.0,0.5,0.9,0.04,0.01\n2000.0,0.03,1.0,0.02,0.01\n"
    )
    found = last_scores(tmp_path)
    assert found == pytest.approx(
        {"pixels": 3.0, "diversity": 1.0, "view_error": 0.02, "step": 2000.0}
    )
