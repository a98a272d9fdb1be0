"""An evaluation's numbers as CSV: every picture, and every mean."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .results_folder import Results

MEAN = ("mean", "low", "high", "identities", "pictures")


def scores_csv(results: Results, folder: Path) -> str:
    """A line for each picture of each method, with the keys of scores.jsonl; paths are relative to
    `folder` where they lie in it.
    """
    flat = [_flat(row, folder) for row in results.rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    return _csv([names, *([row.get(name) for name in names] for row in flat)])


def means_csv(results: Results) -> str:
    """A line for each mean: method, over what, metric, mean, interval, how many."""
    lines: list[Sequence[Any]] = [["method", "over", "part", "metric", *MEAN]]
    for method, scores in results.told["scores"].items():
        slices = [("all", "", scores.get("all")), ("faces found", "", scores.get("found"))]
        slices += [("yaw gap", part["title"], part) for part in scores.get("by_yaw_gap") or []]
        slices += [
            (over, name, means)
            for over in ("part", "group")
            for name, means in (scores.get(f"by_{over}") or {}).items()
        ]
        for over, part, means in slices:
            found = {metric: (means or {}).get(metric) for metric in results.metrics}
            lines += [
                [method, over, part, metric, *(entry.get(key) for key in MEAN)]
                for metric, entry in found.items()
                if entry
            ]
    return _csv(lines)


def _flat(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    files = {f"{kind}_file": _relative(path, folder) for kind, path in row["files"].items()}
    parts = {
        f"{part}/{metric}": value
        for part, scores in (row.get("parts") or {}).items()
        for metric, value in scores.items()
    }
    kept = {name: value for name, value in row.items() if name not in ("files", "parts")}
    return (
        {
            name: json.dumps(value) if isinstance(value, list) else value
            for name, value in kept.items()
        }
        | parts
        | files
    )


def _relative(path: Path | None, folder: Path) -> str | None:
    return (
        None
        if path is None
        else str(path.relative_to(folder) if path.is_relative_to(folder) else path)
    )


def _csv(lines: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()
