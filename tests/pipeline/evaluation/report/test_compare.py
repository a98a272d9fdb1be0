import json

import numpy as np
import pytest

from pipeline.evaluation.metrics.metric import FORMER_MEANINGS
from pipeline.evaluation.report.compare import short_names, write_comparison
from pipeline.evaluation.report.results_folder import read_results
from tests.pipeline.evaluation.toy_results import MEAN, PTI, STUDENT, ToyMethod, disc, write_results

BETTER = ToyMethod("student", "the student", "student", 6.0, 0.03)


def compared(folders, output) -> dict:
    write_comparison(folders, output)
    return json.loads((output / "comparison.json").read_text())


def test_the_difference_of_a_better_student_is_that_of_its_pictures(tmp_path):
    small = write_results(tmp_path / "small", methods=[STUDENT, MEAN])
    big = write_results(tmp_path / "big", methods=[BETTER, MEAN])
    stored = compared([big, small], tmp_path / "both")
    entry = next(entry for entry in stored["comparisons"] if entry["metric"] == "psnr")
    assert (entry["first"], entry["second"]) == ("big/student", "small/student")
    scores = [
        [row["psnr"] for row in read_results(folder).rows_of("student") if row["gap_deg"] > 0]
        for folder in (big, small)
    ]
    assert entry["difference"] == pytest.approx(
        sum(scores[0]) / len(scores[0]) - sum(scores[1]) / len(scores[1]), abs=1e-4
    )
    assert entry["low"] < entry["difference"] < entry["high"]
    assert (entry["wins"], entry["losses"], entry["identities"]) == (len(scores[0]), 0, 4)
    page = (tmp_path / "both" / "index.html").read_text()
    assert "big: the student − small: the student" in page
    assert "mean planes" not in page
    assert {"report.md", "scores.csv"} <= {path.name for path in (tmp_path / "both").iterdir()}


def test_an_evaluation_equals_itself(tmp_path):
    one, same = (write_results(tmp_path / name, methods=[STUDENT]) for name in ("one", "same"))
    for entry in compared([one, same], tmp_path / "both")["comparisons"]:
        assert (
            entry["difference"],
            entry["low"],
            entry["high"],
            entry["wins"],
            entry["losses"],
        ) == (0, 0, 0, 0, 0)


def test_evaluations_without_a_common_method_are_compared_by_what_they_are_about(tmp_path):
    student, pti = (
        write_results(tmp_path / "a", methods=[STUDENT, MEAN]),
        write_results(tmp_path / "b", methods=[PTI, MEAN]),
    )
    assert compared([student, pti], tmp_path / "both")["pairs"] == [["a/student", "b/pti"]]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ({"suite": "wild"}, "suite is puppets in a and wild in b"),
        (
            {"manifest_sha256": "01" * 32},
            "manifest_sha256 is efefefefefef… in a and 010101010101… in b",
        ),
        ({"settings": {"identities": 8, "views": 3}}, "settings.identities is 4 in a and 8 in b"),
    ],
)
def test_other_questions_are_refused_and_the_difference_is_named(tmp_path, other, said):
    folders = [
        write_results(tmp_path / "a", items=1),
        write_results(tmp_path / "b", items=1, **other),
    ]
    with pytest.raises(ValueError, match=said) as raised:
        write_comparison(folders, tmp_path / "both")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "both").exists()


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"weights": {"file": "x.pth", "sha256": "00" * 32}}, "measured with different weights"),
        ({"is": min(FORMER_MEANINGS)}, "defined differently"),
    ],
)
def test_metrics_measured_otherwise_are_named_instead_of_compared(tmp_path, changed, why):
    one, two = (write_results(tmp_path / name, methods=[STUDENT]) for name in ("one", "two"))
    path = two / "results.json"
    stored = json.loads(path.read_text())
    stored["metrics"]["depth"] |= changed
    path.write_text(json.dumps(stored))
    both = compared([one, two], tmp_path / "both")
    assert list(both["metrics"]) == ["psnr"]
    assert both["unavailable"] == [{"metric": "depth error", "why": why}]


def test_poses_found_by_other_estimators_are_not_compared(tmp_path):
    folders = [
        write_results(
            tmp_path / name,
            methods=[STUDENT],
            measures={"settings": {}, "pose_estimator": estimator},
        )
        for name, estimator in (("a", None), ("b", {"_target_": "other.Face"}))
    ]
    for folder in folders:
        path = folder / "results.json"
        stored = json.loads(path.read_text())
        for means in (stored["metrics"], stored["scores"]["student"]["all"]):
            means["pose"] = means.pop("depth")
        path.write_text(json.dumps(stored))
    both = compared(folders, tmp_path / "both")
    assert [entry["why"] for entry in both["unavailable"]] == ["other estimators found the poses"]


def test_other_pictures_are_refused_and_another_machines_rounding_is_not(tmp_path):
    one = write_results(tmp_path / "one", methods=[STUDENT])
    turned = write_results(
        tmp_path / "turned",
        methods=[STUDENT],
        draw=lambda item, yaw, size: disc(item, yaw + 9, size),
    )
    with pytest.raises(ValueError, match="view 0 of p0 has another input, so cameras, sampler"):
        compared([one, turned], tmp_path / "both")
    rounded = write_results(
        tmp_path / "rounded",
        methods=[STUDENT],
        draw=lambda item, yaw, size: (
            disc(item, yaw, size) + (np.arange(size) % 2)[:, None].astype("u1")
        ),
    )
    assert compared([one, rounded], tmp_path / "both")["pairs"]


def test_one_evaluation_is_not_enough(tmp_path):
    folder = write_results(tmp_path / "one", items=1)
    with pytest.raises(ValueError, match="two or more different evaluations"):
        write_comparison([folder, tmp_path / "x" / ".." / "one"], tmp_path / "both")


def test_names_are_as_short_as_they_can_be(tmp_path):
    assert short_names([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert short_names([tmp_path / "a" / "evaluation", tmp_path / "b" / "evaluation"]) == [
        "a/evaluation",
        "b/evaluation",
    ]


def test_the_report_of_an_evaluation_is_not_overwritten(tmp_path):
    folders = [write_results(tmp_path / name, items=1) for name in ("a", "b")]
    with pytest.raises(ValueError, match="holds an evaluation"):
        write_comparison(folders, folders[0])
