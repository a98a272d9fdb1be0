"""Scores the stored predictions of an evaluation again and compares hashes, scores and means."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.evaluation.metrics.available import AvailableMetrics
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.metrics.scoring import scores_of_stored
from pipeline.evaluation.metrics.set_metrics import add_set_metrics
from pipeline.runs.files import sha256_of_file, sha256_of_json
from pipeline.runs.json_lines import Line
from teachers.plain_values import is_number, read_json_file
from teachers.rendering.camera import Camera

from .picture_store import PictureStore
from .results import EvaluationScope, read_results_json, read_score_lines, summary

HASHED = ("input", "prediction", "truth", "depth", "true_depth")
RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""Differences that the arithmetic of another machine may cause."""


def verify(output: Path, available: AvailableMetrics, weights: Path) -> tuple[list[str], int]:
    """The differences, a sentence each that names the file, and the number of views scored again.

    Args:
        output: of an evaluation.
        available: the metrics here; those that weren't measured then, or can't be here, aren't
            compared.
        weights: folder of published networks, for FID and KID.
    """
    results, lines = read_results_json(output), read_score_lines(output)
    available = replace(
        available,
        metrics=tuple(one for one in available.metrics if one.name in results["metrics"]),
    )
    found = [*_altered_manifest(output, results), *_altered_files(output, lines)]
    for (_, _), views in groupby(
        tqdm(lines, desc="scoring again", unit="img", mininterval=1),
        key=lambda line: (line["method"], line["item"]),
    ):
        found += _altered_scores(output, list(views), results, available)
    found += _altered_means(output, results, lines, weights)
    return found, len(lines)


def _altered_manifest(output: Path, results: dict[str, Any]) -> Iterator[str]:
    path = output / "manifest.json"
    try:
        manifest = read_json_file(path, dict[str, Any])
    except (OSError, ValueError) as error:
        yield f"{path}: can't be read ({error})"
        return
    if sha256_of_json(manifest) != results["manifest_sha256"]:
        yield f"{path}: altered (not the manifest whose sha256 results.json has)"


def _altered_files(output: Path, lines: Sequence[Line]) -> list[str]:
    wanted = {
        line["files"][kind]: line[f"{kind}_sha256"]
        for line in lines
        for kind in HASHED
        if line["files"][kind] is not None
    }
    missing = [path for path in wanted if not (output / path).is_file()]
    changed = [
        path
        for path, sha256 in wanted.items()
        if path not in missing and sha256_of_file(output / path) != sha256
    ]
    return [
        *(f"{output / path}: missing" for path in missing),
        *(f"{output / path}: altered (another sha256)" for path in changed),
    ]


def _altered_scores(
    output: Path, views: Sequence[Line], results: dict[str, Any], available: AvailableMetrics
) -> Iterator[str]:
    if views[0]["files"]["prediction"] is None:
        return
    method, item = views[0]["method"], views[0]["item"]
    cameras = Camera.from_label(torch.tensor([line["camera"] for line in views]))
    try:
        scores = scores_of_stored(
            PictureStore(output), method, item, cameras, available.metrics, results["parts"]
        )
    except ValueError as error:
        yield str(error)
        return
    for line, again in zip(views, scores, strict=True):
        pairs = [
            (metric.name, line.get(metric.name), again[metric.name]) for metric in available.metrics
        ]
        if "parts" in line:  # lines of earlier versions have none
            pairs += [
                (f"{name} of {part}", line["parts"].get(part, {}).get(name), now)
                for part, of_part in again["parts"].items()
                for name, now in of_part.items()
            ]
        for name, before, now in pairs:
            if not _is_same(before, now):
                yield f"{output / line['files']['prediction']}: {name} was {before}, is {now:.6g}"


def _altered_means(
    output: Path, results: dict[str, Any], lines: Sequence[Line], weights: Path
) -> list[str]:
    metrics = {
        name: _metric(about)
        for name, about in results["metrics"].items()
        if any(line.get(name) is not None for line in lines)
    }
    scope = EvaluationScope(
        methods={name: {} for name in results["methods"]},
        items=list(dict.fromkeys(line["item"] for line in lines)),
        metrics=metrics,
        missing={},
        gaps_deg=results["gaps_deg"],
        parts=list(results["parts"]),
    )
    try:
        again = add_set_metrics(summary(lines, scope), lines, output, weights)
    except ValueError as error:  # an image is missing or damaged
        return [str(error)]
    both = results["metrics"].keys() & again["metrics"].keys()
    for entry in (*results["scores"].values(), *again["scores"].values()):
        entry["all"] = {name: mean for name, mean in entry["all"].items() if name in both}
    differing = [
        name
        for name in again["scores"]
        if not _is_alike(results["scores"].get(name), again["scores"][name])
    ]
    sentences = [
        f"{output / 'results.json'}: the means of {name} don't follow from scores.jsonl"
        for name in differing
    ]
    if not _is_alike(results["comparisons"], again["comparisons"]):
        sentences.append(
            f"{output / 'results.json'}: the comparisons don't follow from scores.jsonl"
        )
    return sentences


def _metric(about: dict[str, Any]) -> Metric:
    return Metric(
        about["title"],
        about["unit"],
        about["more_is_better"],
        about["is"],
        about["digits"],
        about["weights"],
    )


def _is_same(before: Any, now: float) -> bool:
    """Whether a score of a file, whatever it holds, is the one that was computed now."""
    if before is None:
        return not math.isfinite(now)
    if not is_number(before):
        return False
    return math.isclose(before, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _is_alike(before: Any, now: Any) -> bool:
    """Whether two pieces of JSON are equal except for the rounding of numbers."""
    if isinstance(before, dict) and isinstance(now, dict):
        return before.keys() == now.keys() and all(
            _is_alike(before[key], now[key]) for key in before
        )
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_is_alike, before, now))
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(before == now)
