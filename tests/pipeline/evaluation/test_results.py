"""From lines to results: weights of identities, compared pictures, unavailable metrics."""

import dataclasses
import json
import math
import random

import pytest
import torch

from pipeline.evaluation.angles import gap_bins, yaw_deg, yaw_gap_deg
from pipeline.evaluation.means import mean_over_identities
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.paired import comparisons
from pipeline.evaluation.results import EvaluationScope, headline, in_order, summary
from teachers.rendering.camera import Camera

PSNR, DEPTH = (
    Metric("PSNR", "dB", True, "likeness", 2),
    Metric("depth error", "units", False, "distance", 4),
)
EDGES = (0.0, 15.0, 30.0)


def line(method: str, item: str, view: int, gap: float | None, psnr: float | None, **more) -> dict:
    facts = {
        "subject": item,
        "group": None,
        "sequence": None,
        "face_found": True,
        "gap_deg": gap,
        "prediction_sha256": "00",
    }
    times = {"seconds": 1.0, "render_seconds": 0.1, "peak_memory_mib": 9.0}
    return {"method": method, "item": item, "view": view, **facts, **times, "psnr": psnr} | more


def scope(
    methods: tuple[str, ...] = ("student",), items: tuple[str, ...] = ("a", "b"), **more
) -> EvaluationScope:
    about = {name: {"title": name, "kind": "student"} for name in methods}
    metrics = {"psnr": PSNR, "depth": DEPTH}
    return EvaluationScope(
        methods=about,
        items=items,
        metrics=metrics,
        missing={"depth": "no depth", "fid": "no file"},
        gaps_deg=EDGES,
        **more,
    )


def test_every_gap_falls_into_one_bin():
    bins = gap_bins(EDGES)
    assert [b.title for b in bins] == ["same view", "0–15°", "15–30°", "> 30°"]
    for gap, expected in ((0.0, 0), (0.01, 1), (15.0, 1), (15.1, 2), (30.0, 2), (77.0, 3)):
        assert [gap in b for b in bins].index(True) == expected and sum(gap in b for b in bins) == 1
    assert not any(None in b for b in bins)


def test_the_given_view_counts_only_where_there_is_no_other():
    lines = [
        line("student", "a", 0, 0.0, 40.0),
        line("student", "a", 1, 10.0, 20.0),
        line("student", "b", 0, 0.0, 30.0),
    ]
    assert [(one["item"], one["view"]) for one in headline(lines)] == [("a", 1), ("b", 0)]
    result = summary(lines, scope())["scores"]["student"]
    assert result["all"]["psnr"]["mean"] == 25.0
    assert [(part["title"], part["psnr"]["mean"]) for part in result["by_yaw_gap"]] == [
        ("same view", 35.0),
        ("0–15°", 20.0),
    ]


def test_a_camera_above_the_input_is_a_novel_view():
    yaw, pitch = [0.3, 0.3, 0.3, 0.6], [0.1, 0.6, -0.4, 0.1]
    cameras = Camera.orbit(torch.tensor(yaw), torch.tensor(pitch))
    gaps = [round(gap, 5) for gap in yaw_gap_deg(cameras[:1], cameras).tolist()]
    lines = [line("student", "a", view, gap, 20.0) for view, gap in enumerate(gaps)]
    assert [one["view"] for one in headline(lines)] == [1, 2, 3]
    by_gap = summary(lines, scope())["scores"]["student"]["by_yaw_gap"]
    assert [(part["title"], part["psnr"]["pictures"]) for part in by_gap] == [
        ("same view", 1),
        ("0–15°", 2),
        ("15–30°", 1),
    ]


def test_only_other_cameras_without_a_gap_get_one():
    cameras = Camera.orbit(torch.linspace(-3.0, 3.0, 9), torch.linspace(-0.4, 0.4, 9))
    given = Camera.orbit(torch.tensor([-3.0]), torch.tensor([-0.4]), radius=2.7 + 1e-5)
    plain = (yaw_deg(cameras) - yaw_deg(given)).abs()
    assert torch.equal(yaw_gap_deg(given, cameras), plain.minimum(360 - plain))
    assert yaw_gap_deg(cameras[:1], cameras)[0] == 0


def test_identities_count_alike_however_many_pictures_they_have():
    mean = mean_over_identities([("a", 10.0)] * 9 + [("b", 20.0)])
    assert mean is not None and mean.mean == 15.0 and mean.identities == 2 and mean.pictures == 10


def test_an_interval_is_a_point_for_equal_identities_and_two_standard_errors_for_many():
    equal = mean_over_identities([(str(subject), 7.0) for subject in range(5)])
    assert equal is not None and (equal.low, equal.high) == (7.0, 7.0)
    spread = mean_over_identities([(str(subject), float(subject % 2)) for subject in range(400)])
    assert spread is not None and spread.high - spread.low == pytest.approx(
        2 * 1.96 * 0.5 / math.sqrt(400), rel=0.1
    )


def test_pictures_without_a_number_are_left_out():
    mean = mean_over_identities([("a", None), ("b", 3.0)])
    assert mean is not None and mean.mean == 3.0 and mean.identities == 1
    assert mean_over_identities([("a", None)]) is None


def test_an_interval_of_a_paired_difference_is_narrower_than_those_of_its_sides():
    noise = random.Random(0)
    identities = {f"p{number}": noise.gauss(20, 5) for number in range(60)}
    lines = [
        line("one", name, 1, 9.0, value + 1 + noise.gauss(0, 0.2))
        for name, value in identities.items()
    ]
    lines += [line("other", name, 1, 9.0, value) for name, value in identities.items()]
    (result,) = comparisons(lines, ["one", "other"], {"psnr": PSNR})
    alone = mean_over_identities((one["subject"], one["psnr"]) for one in lines[:60])
    assert (
        alone is not None
        and result["difference"] == pytest.approx(1, abs=0.1)
        and result["low"] > 0.9
    )
    assert (
        result["high"] - result["low"] < 0.1 * (alone.high - alone.low)
        and result["wins"] == 60 == result["identities"]
    )


def test_less_depth_error_wins_and_only_common_pictures_are_compared():
    lines = [
        line("one", "a", view, 9.0, None, depth=value)
        for view, value in enumerate((1.0, 2.0, 3.0, 4.0))
    ]
    lines += [
        line("other", "a", view, 9.0, None, depth=value)
        for view, value in enumerate((2.0, 2.0, 1.0))
    ]
    (result,) = comparisons(lines, ["one", "other"], {"depth": DEPTH})
    assert (result["wins"], result["ties"], result["losses"], result["pictures"]) == (1, 1, 1, 3)
    assert result["difference"] == pytest.approx((-1 + 0 + 2) / 3)


def test_pictures_without_a_face_stay_in_one_denominator():
    lines = [
        line("student", "a", 0, None, 10.0),
        line("student", "b", 0, None, 4.0, face_found=False),
    ]
    result = summary(lines, scope())
    assert (
        result["scores"]["student"]["all"]["psnr"]["mean"] == 7.0
        and result["scores"]["student"]["found"]["psnr"]["mean"] == 10.0
    )
    assert result["counted"]["items"] == 2 and result["counted"]["faces_found"] == 1
    assert summary(lines[:1], scope())["scores"]["student"]["found"] is None


def test_the_ceilings_identities_are_no_items_of_the_suite():
    lines = [
        line("student", "a", 0, 0.0, 10.0, face_found=False),
        line("ceiling", "sample1", 0, 0.0, 10.0),
        line("ceiling", "sample2", 0, 0.0, None, prediction_sha256=None),
    ]
    methods = {name: {"title": name, "kind": name} for name in ("student", "ceiling")}
    chosen = dataclasses.replace(scope(), methods=methods)
    assert summary(lines, chosen)["counted"] == {
        "items": 1,
        "faces_found": 0,
        "missing_predictions": {"ceiling": 1},
    }


def test_groups_and_parts_have_means_of_their_own():
    parts = {"face": {"psnr": 12.0}, "hair": {"psnr": None}}
    lines = [
        line("student", "a", 1, 9.0, 10.0, group="dark", parts=parts),
        line("student", "b", 1, 9.0, 20.0, group="light", parts={}),
    ]
    result = summary(lines, scope(parts=["face", "hair"]))["scores"]["student"]
    assert {group: means["psnr"]["mean"] for group, means in result["by_group"].items()} == {
        "dark": 10.0,
        "light": 20.0,
    }
    assert (
        result["by_part"]["face"]["psnr"]["identities"] == 1
        and result["by_part"]["hair"]["psnr"] is None
    )


def test_what_has_no_number_is_listed_with_the_reason():
    result = summary([line("student", "a", 1, 9.0, 10.0)], scope())
    assert result["unavailable"] == [
        {"metric": "depth", "why": "no depth"},
        {"metric": "fid", "why": "no file"},
    ]
    assert (
        list(result["metrics"]) == ["psnr"]
        and json.loads(json.dumps(result, allow_nan=False)) == result
    )


def test_the_order_in_which_lines_came_does_not_matter():
    lines = [
        line(method, item, view, 9.0, float(view))
        for item in ("b", "a")
        for method in ("other", "student")
        for view in (1, 0)
    ]
    chosen = scope(("student", "other"))
    shuffled = random.Random(1).sample(lines, len(lines)) + lines[:2]
    assert in_order(shuffled, chosen) == in_order(lines, chosen)
    first = [(one["item"], one["method"], one["view"]) for one in in_order(lines, chosen)][:3]
    assert first == [("a", "student", 0), ("a", "student", 1), ("a", "other", 0)]
