"""What an evaluation left behind, read back: results.json, scores.jsonl, and where the pictures
are.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runs.renamed import current

RESULTS, SCORES = "results.json", "scores.jsonl"
SCHEMA = 2
HEADLINES = ("psnr_foreground", "psnr", "lpips", "ssim", "identity")
"""What a reader looks at first: the first of these that was measured."""


@dataclass(frozen=True)
class Results:
    """An evaluation.

    Attributes:
        folder: that holds it.
        told: results.json.
        rows: scores.jsonl; paths in `files` are absolute or None.
    """

    folder: Path
    told: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Who was asked: name → title, kind, seconds, memory."""
        return dict(self.told["methods"])

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """What was measured of anybody, in the order of results.json."""
        known: dict[str, dict[str, Any]] = self.told["metrics"]
        return {
            name: known[name]
            for name in known
            if any(mean_of(entry["all"], name) for entry in self.told["scores"].values())
        }

    @property
    def headline(self) -> str | None:
        """The metric that a reader looks at first."""
        return next((name for name in (*HEADLINES, *self.metrics) if name in self.metrics), None)

    @property
    def main_method(self) -> str:
        """Whom the evaluation is about: the first student, or else the first that is asked."""
        return next(
            (name for name, method in self.methods.items() if method.get("kind") == "student"),
            next(iter(self.methods)),
        )

    def rows_of(self, method: str) -> list[dict[str, Any]]:
        """The pictures of one method."""
        return [row for row in self.rows if row["method"] == method]

    def count(self) -> tuple[int, int, int]:
        """Items, pictures, and items in which a face was found: of those that the main method was
        asked about.
        """
        rows = self.rows_of(self.main_method)
        cases = {(row["item"], row["view"]) for row in rows}
        items = {item for item, _ in cases}
        missed = {row["item"] for row in rows if row.get("face_found") is False}
        return len(items), len(cases), len(items) - len(missed)


def read_results(folder: Path) -> Results:
    """Reads the output of `trilift evaluate`.

    Raises:
        ValueError: it isn't one, or it is damaged or of another version.
    """
    told = _parsed(folder / RESULTS, _text(folder, RESULTS))
    if not isinstance(told, dict) or told.get("schema") != SCHEMA:
        found = told.get("schema") if isinstance(told, dict) else None
        raise ValueError(
            f"{folder / RESULTS} has schema {found}, this version reads {SCHEMA}: evaluate again"
        )
    missing = [key for key in ("suite", "methods", "metrics", "scores", "run") if key not in told]
    if missing or not told["methods"]:
        raise ValueError(
            f"{folder / RESULTS} lacks {', '.join(missing) or 'any method'}: evaluate again"
        )
    lines = _text(folder, SCORES).splitlines()
    rows = [
        _parsed(folder / f"{SCORES}, line {number}", line)
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]
    return Results(folder, told, [_with_paths(row, folder) for row in rows])


def mean_of(means: dict[str, Any] | None, metric: str) -> dict[str, Any] | None:
    """The entry of a metric; None where nothing was measured."""
    entry = None if means is None else means.get(metric)
    return entry if isinstance(entry, dict) and entry.get("mean") is not None else None


def comparisons_of(results: Results) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The paired differences that a reader looks at first (the main method's by the headline's
    metric), and all others.
    """
    first: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for entry in results.told.get("comparisons") or []:
        if entry["metric"] in results.metrics and entry.get("difference") is not None:
            about = results.told.get("pairs") or results.main_method in (
                entry["first"],
                entry["second"],
            )
            (first if about and entry["metric"] == results.headline else others).append(entry)
    return first, others


def gap_titles(scores: Iterable[dict[str, Any]]) -> list[str]:
    """Titles of the yaw gaps that any method was seen at, from near to far."""
    parts = [part for entry in scores for part in entry.get("by_yaw_gap") or []]
    start = {
        part["title"]: (part["from_deg"], part["to_deg"] if part["to_deg"] is not None else 1e9)
        for part in parts
    }
    return sorted(start, key=start.__getitem__)


def _text(folder: Path, name: str) -> str:
    try:
        return (folder / name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(
            f"{folder} has no {name}: give the output folder of a finished `trilift evaluate`"
        ) from None


def _parsed(where: Path, text: str) -> Any:
    try:
        return current(json.loads(text, parse_constant=lambda _: None))
    except json.JSONDecodeError as error:
        raise ValueError(f"{where} is damaged ({error}): evaluate again") from error


def _with_paths(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    files = {
        kind: None if path is None else folder / path
        for kind, path in (row.get("files") or {}).items()
    }
    return {**row, "files": files}


def picture(row: dict[str, Any], kind: str) -> Path | None:
    """The file of a row's input, prediction, truth, …; None where there is none, or it has been
    removed.
    """
    path: Path | None = row["files"].get(kind)
    return path if path is not None and path.is_file() else None
