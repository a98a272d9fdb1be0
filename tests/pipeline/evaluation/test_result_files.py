"""results.json and scores.jsonl that lack something are named, or read as what they say."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.evaluation.metrics.available import AvailableMetrics
from pipeline.evaluation.metrics.view_metrics import VIEW_METRICS
from pipeline.evaluation.report.page import write_report
from pipeline.evaluation.results import read_results_json, read_score_lines
from pipeline.evaluation.verification import verify
from tests.pipeline.evaluation.toy_results import STUDENT, write_results

NEEDED = ("manifest_sha256", "parts", "gaps_deg", "comparisons")
"""Keys that verify needs and a report doesn't."""


@pytest.fixture
def folder(tmp_path) -> Path:
    needed = {"parts": {}, "gaps_deg": [0.0, 15.0], "comparisons": []}
    (tmp_path / "manifest.json").write_text("{}")
    return write_results(tmp_path, items=1, views=2, methods=[STUDENT], **needed)


def change_results(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    stored = json.loads((folder / "results.json").read_text())
    change(stored)
    (folder / "results.json").write_text(json.dumps(stored))


def change_lines(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    lines = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    for line in lines:
        change(line)
    (folder / "scores.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def verified(folder: Path) -> list[str]:
    return verify(folder, AvailableMetrics(VIEW_METRICS, {}), folder / "no weights")[0]


@pytest.mark.parametrize("key", NEEDED)
def test_a_key_that_verify_needs_is_named(folder, key):
    change_results(folder, lambda stored: stored.pop(key))
    with pytest.raises(ValueError, match=f"^{folder}/results.json lacks '{key}': evaluate again$"):
        verified(folder)
    write_report(folder)


def test_what_decides_the_metrics_is_named(folder):
    with pytest.raises(ValueError, match=r"results.json lacks 'measures': evaluate again"):
        read_results_json(folder)["measures"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda line: line.pop("files"), "expected a key 'files'"),
        (lambda line: line.pop("camera"), "expected a key 'camera'"),
        (lambda line: line.pop("input_sha256"), "input_sha256 None: expected a file with its hash"),
        (lambda line: line["files"].pop("truth"), "files.truth is None and truth_sha256 '"),
    ],
)
def test_a_line_without_its_files_is_refused(folder, change, said):
    change_lines(folder, change)
    with pytest.raises(ValueError, match=said) as refused:
        read_score_lines(folder)
    assert f"{folder}/scores.jsonl, line 1" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_else_a_line_lacks_is_compared_as_null(folder):
    """The means no longer follow, and that is all."""
    left_out = ("subject", "group", "gap_deg", "face_found", "seconds", "peak_memory_mib")
    change_lines(folder, lambda line: [line.pop(key) for key in left_out])
    assert [line["subject"] for line in read_score_lines(folder)] == ["p0", "p0"]
    assert any("the means of student don't follow" in sentence for sentence in verified(folder))


def test_a_score_of_a_part_that_was_embellished_is_found(folder):
    for path in (folder / "depth" / "truth").iterdir():
        known = load_file(path)
        save_file(known | {"part": torch.ones_like(known["depth"], dtype=torch.uint8)}, path)
    change_results(folder, lambda stored: stored.update(parts={"face": [1]}))
    assert not any("of face was" in sentence for sentence in verified(folder))  # lines without any

    def found(more: float) -> list[str]:
        """The part is the whole picture, and so has its score."""
        change_lines(
            folder, lambda line: line.update(parts={"face": {"psnr": line["psnr"] + more}})
        )
        return [sentence for sentence in verified(folder) if "psnr of face was" in sentence]

    assert found(0.0) == [] and len(found(1.0)) == 2


def test_references_that_were_called_identities_are_references(folder):
    counts = {"identities": 6, "pictures": 4}

    def add_distance(stored: dict[str, Any]) -> None:
        means = stored["scores"]["student"]["all"]
        means["fid"] = {"mean": 7.0, "low": None, "high": None, **counts}

    change_results(folder, add_distance)
    means = read_results_json(folder)["scores"]["student"]["all"]
    now = {"mean": 7.0, "low": None, "high": None, "pictures": 4, "references": 6}
    assert means["fid"] == now and means["psnr"]["identities"] == 1
