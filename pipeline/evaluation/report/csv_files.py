"""The numbers of an evaluation as CSV: every image, every mean."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .results_folder import Results, mean_of

MEAN = ("mean", "low", "high", "identities", "pictures", "references")


def scores_csv(results: Results, folder: Path) -> str:
    """A line for each image of each method with the keys of scores.jsonl; paths inside `folder` are
    relative to it.
    """
    flat = [_flat(row, folder) for row in results.rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return _csv([names, *([row.get(name) for name in names] for row in flat)])


def means_csv(results: Results) -> str:
    """A line for each mean: method, slice, metric, mean, interval, counts."""
    lines: list[Sequence[Any]] = [["method", "over", "part", "metric", *MEAN]]
    for method in results.methods:
        slices = [
            ("all", "", results.means(method)),
            ("faces found", "", results.means(method, "found")),
            *(("yaw gap", title, means) for title, means in results.gaps(method).items()),
            *(
                (kind, name, means)
                for kind in ("part", "group")
                for name, means in results.means(method, f"by_{kind}").items()
            ),
        ]
        lines += [
            [method, over, part, metric, *(mean.get(key) for key in MEAN)]
            for over, part, means in slices
            for metric in results.metrics
            if (mean := mean_of(means, metric)) is not None
        ]
    return _csv(lines)


def _flat(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    flat = {
        name: json.dumps(value) if isinstance(value, list) else value
        for name, value in row.items()
        if name not in ("files", "parts")
    }
    for part, scores in (row.get("parts") or {}).items():
        flat |= {f"{part}/{metric}": value for metric, value in scores.items()}
    for kind, path in row["files"].items():
        is_inside = path is not None and path.is_relative_to(folder)
        flat[f"{kind}_file"] = path.relative_to(folder) if is_inside else path
    return flat


def _csv(lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
