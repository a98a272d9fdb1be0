"""Scores the stored predictions of an evaluation again and compares: hashes, every number, every
mean.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from pipeline.evaluation.metrics.available import Available
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.metrics.scoring import scores_of_stored
from pipeline.evaluation.metrics.set_scores import with_set_scores
from pipeline.runs.files import sha256_of_file
from pipeline.runs.json_lines import Line, read_lines
from pipeline.runs.renamed import read_json
from teachers.rendering.camera import Camera

from .picture_store import PictureStore
from .results import RESULTS_SCHEMA, Asked, summary

HASHED = ("input", "prediction", "truth", "depth", "true_depth")
RELATIVE, ABSOLUTE = 1e-4, 1e-5
"""What another machine's arithmetic may differ by."""


def read_told(output: Path) -> dict[str, Any]:
    """results.json of an evaluation.

    Raises:
        ValueError: there is none, or it is damaged or of another version.
    """
    try:
        told: dict[str, Any] = read_json(output / "results.json")
    except FileNotFoundError:
        raise ValueError(
            f"{output} has no results.json: give the output folder of a finished `trilift evaluate`"
        ) from None
    except ValueError as error:
        raise ValueError(f"{output / 'results.json'} is damaged: {error}") from error
    if told.get("schema") != RESULTS_SCHEMA:
        raise ValueError(
            f"{output / 'results.json'} has schema {told.get('schema')!r}, this version reads"
            f" {RESULTS_SCHEMA}"
        )
    return told


def verify(output: Path, available: Available, weights: Path) -> tuple[list[str], int]:
    """What differs, a sentence each with the file that it is about, and how many pictures were
    scored again.

    Args:
        output: of an evaluation.
        available: the same measures as then; what can't be measured here is left out of the
            comparison.
        weights: folder of published networks, for the scores of all pictures together.
    """
    told, lines = read_told(output), read_lines(output / "scores.jsonl")
    found = [*_altered_files(output, lines)]
    for (_, _), views in groupby(
        tqdm(lines, desc="scoring again", unit="img", mininterval=1),
        key=lambda line: (line["method"], line["item"]),
    ):
        found += _altered_scores(output, list(views), told, available)
    found += _altered_means(output, told, lines, weights)
    return found, len(lines)


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
    output: Path, views: Sequence[Line], told: dict[str, Any], available: Available
) -> Iterator[str]:
    if views[0]["files"]["prediction"] is None:
        return
    method, item = views[0]["method"], views[0]["item"]
    cameras = Camera.from_label(torch.tensor([line["camera"] for line in views]))
    try:
        scores = scores_of_stored(
            PictureStore(output), method, item, cameras, available.measures, told["parts"]
        )
    except ValueError as error:
        yield str(error)
        return
    for line, again in zip(views, scores, strict=True):
        for name in (measure.name for measure in available.measures):
            if not _is_same(line.get(name), again[name]):
                yield (
                    f"{output / line['files']['prediction']}: {name} was {line.get(name)}, is"
                    f" {again[name]:.6g}"
                )


def _altered_means(
    output: Path, told: dict[str, Any], lines: Sequence[Line], weights: Path
) -> list[str]:
    metrics = {
        name: _metric(about)
        for name, about in told["metrics"].items()
        if any(line.get(name) is not None for line in lines)
    }
    asked = Asked(
        methods={name: {} for name in told["methods"]},
        items=list(dict.fromkeys(line["item"] for line in lines)),
        metrics=metrics,
        missing={},
        gaps_deg=told["gaps_deg"],
        parts=list(told["parts"]),
    )
    try:
        again = with_set_scores(summary(lines, asked), lines, output, weights)
    except ValueError as error:  # a picture that is missing or damaged
        return [str(error)]
    for entry in told["scores"].values():
        entry["all"] = {
            name: mean for name, mean in entry["all"].items() if name in again["metrics"]
        }
    differing = [
        name
        for name in again["scores"]
        if not _is_alike(told["scores"].get(name), again["scores"][name])
    ]
    sentences = [
        f"{output / 'results.json'}: the means of {name} don't follow from scores.jsonl"
        for name in differing
    ]
    if not _is_alike(told["comparisons"], again["comparisons"]):
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


def _is_same(before: float | None, now: float) -> bool:
    if before is None:
        return not math.isfinite(now)
    return math.isclose(before, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def _is_alike(before: Any, now: Any) -> bool:
    """Whether two pieces of JSON are the same but for the rounding of numbers."""
    if isinstance(before, dict) and isinstance(now, dict):
        return before.keys() == now.keys() and all(
            _is_alike(before[key], now[key]) for key in before
        )
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_is_alike, before, now))
    if isinstance(before, float) and isinstance(now, float):
        return math.isclose(before, now, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return bool(before == now)
