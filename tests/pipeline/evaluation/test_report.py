import json
import math

import pytest

from pipeline.evaluation.chart import Line, line_chart
from pipeline.evaluation.learning_curve import read_curves, smoothed
from pipeline.evaluation.protocol import Row
from pipeline.evaluation.report import gap_bins, mean_over_people, summary, table, to_json

EDGES = (0.0, 15.0, 30.0)


def row(person: int, gap: float, value: float, answer: str = "student") -> Row:
    same = {"psnr": value, "psnr_person": value, "ssim": value / 100, "depth": value, "depth_aligned": value, "mask_iou": value / 100}
    return Row(answer, "puppets", person, 0 if gap == 0 else 1, 0.0, gap, 0.0, gap, **same)


def test_every_gap_falls_into_one_bin():
    bins = gap_bins(EDGES)
    assert [b.title for b in bins] == ["same view", "0–15°", "15–30°", "> 30°"]
    for gap, expected in ((0.0, 0), (0.01, 1), (15.0, 1), (15.1, 2), (30.0, 2), (77.0, 3)):
        assert [gap in b for b in bins].index(True) == expected and sum(gap in b for b in bins) == 1


def test_the_given_view_does_not_count_as_a_new_one():
    scores = summary([row(0, 0.0, 40.0), row(0, 10.0, 20.0), row(1, 20.0, 10.0)], EDGES)
    assert scores["new_views"]["psnr"]["mean"] == 15.0 and scores["new_views"]["psnr"]["pictures"] == 2
    assert [(part["title"], part["psnr"]["mean"]) for part in scores["by_yaw_gap"]] == [
        ("same view", 40.0),
        ("0–15°", 20.0),
        ("15–30°", 10.0),
    ]


def test_people_count_alike_however_many_pictures_they_have():
    mean = mean_over_people([row(0, 1.0, 10.0)] * 9 + [row(1, 1.0, 20.0)], "psnr")
    assert mean is not None and mean.mean == 15.0 and mean.people == 2 and mean.pictures == 10


def test_the_interval_of_equal_people_is_a_point_and_that_of_many_normal_ones_is_two_standard_errors():
    equal = mean_over_people([row(person, 1.0, 7.0) for person in range(5)], "psnr")
    assert equal is not None and (equal.low, equal.high) == (7.0, 7.0)
    spread = mean_over_people([row(person, 1.0, float(person % 2)) for person in range(400)], "psnr")
    assert spread is not None
    assert spread.high - spread.low == pytest.approx(2 * 1.96 * 0.5 / math.sqrt(400), rel=0.1)


def test_pictures_without_a_number_are_left_out():
    mean = mean_over_people([row(0, 1.0, math.nan), row(1, 1.0, 3.0)], "depth")
    assert mean is not None and mean.mean == 3.0 and mean.people == 1
    assert mean_over_people([row(0, 1.0, math.nan)], "depth") is None


def test_json_has_no_number_that_json_does_not_know():
    rows = [row(0, 0.0, math.inf), row(0, 5.0, math.nan)]
    report = {"scores": {"student": summary(rows, EDGES)}, "rows": [each.as_dict() for each in rows]}
    text = to_json(report)
    read = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in the JSON"))
    assert read["rows"][0]["psnr"] is None and read["rows"][1]["gap_deg"] == 5.0 and len(read["rows"]) == 2
    assert read["scores"]["student"]["new_views"]["psnr"] is None
    assert text == to_json(report)


def test_the_table_has_a_line_for_each_answer_twice():
    scores = {name: summary([row(0, 0.0, 30.0), row(0, 10.0, 20.0)], EDGES) for name in ("student", "untrained")}
    lines = table(scores).splitlines()
    assert sum(line.startswith("student") for line in lines) == 2 and "20.00" in lines[1] and "same view" in lines[4]


def test_the_curves_of_a_continued_run_are_one(tmp_path):
    for version, text in (
        ("version_0", "step,loss,psnr\n1,3.0,\n2,2.5,10\n3,9.0,"),
        ("version_10", "step,loss\n4,1.0\n5,"),
        ("version_2", "step,loss\n3,2.0\n4,8.0\n"),
    ):
        (tmp_path / version).mkdir()
        (tmp_path / version / "metrics.csv").write_text(text)
    assert read_curves(tmp_path) == {"loss": [(1, 3.0), (2, 2.5), (3, 2.0), (4, 1.0)], "psnr": [(2, 10.0)]}
    assert read_curves(tmp_path / "nothing") == {}


def test_smoothing_keeps_the_mean():
    curve = [(float(step), float(step % 7)) for step in range(120)]
    short = smoothed(curve, 60)
    assert len(short) == 60 and sum(y for _, y in short) / 60 == pytest.approx(sum(y for _, y in curve) / 120)
    assert smoothed([(1.0, 2.0)]) == [(1.0, 2.0)]


def test_a_chart_shows_its_lines_inside_its_frame_and_escapes_their_names():
    chart = line_chart([Line("a < b", [(0.0, 1.0), (10.0, 5.0)], "c0"), Line("none", [], "c1")], x_label="steps", y_label="dB")
    assert "a &lt; b" in chart and "none" not in chart and chart.count("<polyline") == 1
    assert line_chart([Line("none", [], "c1")], x_label="steps", y_label="dB") == ""
    assert "nan" not in line_chart([Line("flat", [(1.0, 2.0)], "c0")], x_label="steps", y_label="dB")
