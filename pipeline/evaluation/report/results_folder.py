"""The output folder of an evaluation, read back: results.json, scores.jsonl and the image files."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.evaluation.results import read_results_json, read_score_lines
from pipeline.runs.json_lines import with_nulls

RESULTS = "results.json"
HEADLINES = ("psnr_foreground", "psnr", "lpips", "ssim", "identity")
"""The headline metric is the first of these that was measured."""


@dataclass(frozen=True)
class Results:
    """An evaluation, or several merged by `compare.py`.

    Attributes:
        folder: that holds it.
        summary: the content of results.json.
        rows: the lines of scores.jsonl, one an image; paths in `files` are absolute or None.
    """

    folder: Path
    summary: dict[str, Any]
    rows: list[dict[str, Any]]

    @property
    def title(self) -> str:
        """Of the report."""
        known: str | None = self.summary.get("title")
        return known or f"Evaluation: {self.summary['suite'].replace('_', ' ')}"

    @property
    def methods(self) -> dict[str, dict[str, Any]]:
        """Name → title, kind, seconds, memory."""
        return dict(self.summary["methods"])

    @property
    def metrics(self) -> dict[str, dict[str, Any]]:
        """Descriptions of the metrics that have a mean, in the order of results.json."""
        known: dict[str, dict[str, Any]] = self.summary["metrics"]
        return {
            name: known[name]
            for name in known
            if any(mean_of(scores["all"], name) for scores in self.summary["scores"].values())
        }

    @property
    def headline(self) -> str | None:
        """The metric that stands first."""
        return next((name for name in (*HEADLINES, *self.metrics) if name in self.metrics), None)

    @property
    def main_method(self) -> str:
        """The method that the report is about: the first student, or else the first method."""
        return next(
            (name for name, method in self.methods.items() if method.get("kind") == "student"),
            next(iter(self.methods)),
        )

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The pairs of methods that a merged report compares; empty for a single evaluation."""
        return [(first, second) for first, second in self.summary.get("pairs") or []]

    def means(self, method: str, part: str = "all") -> dict[str, Any]:
        """Means of a method by metric; empty where there are none."""
        return (self.summary["scores"].get(method) or {}).get(part) or {}

    def gaps(self, method: str) -> dict[str, dict[str, Any]]:
        """Means of a method by the title of the yaw gap."""
        parts = (self.summary["scores"].get(method) or {}).get("by_yaw_gap") or []
        return {part["title"]: part for part in parts}

    def gap_titles(self) -> list[str]:
        """Titles of all yaw gaps, from near to far."""
        parts = [part for name in self.methods for part in self.gaps(name).values()]
        ends = {
            part["title"]: (part["from_deg"], part["to_deg"] if part["to_deg"] is not None else 1e9)
            for part in parts
        }
        return sorted(ends, key=ends.__getitem__)

    def rows_of(self, method: str) -> list[dict[str, Any]]:
        """The images of one method."""
        return [row for row in self.rows if row["method"] == method]

    def count(self) -> tuple[int, int, int]:
        """Of the main method: items, images, and items in which a face was found."""
        rows = self.rows_of(self.main_method)
        cases = {(row["item"], row["view"]) for row in rows}
        items = {item for item, _ in cases}
        missed = {row["item"] for row in rows if row.get("face_found") is False}
        return len(items), len(cases), len(items) - len(missed)

    def comparisons(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Paired differences that stand first (the main method's, headline metric), and others."""
        first: list[dict[str, Any]] = []
        others: list[dict[str, Any]] = []
        for entry in self.summary.get("comparisons") or []:
            if entry["metric"] in self.metrics and entry.get("difference") is not None:
                is_about = self.pairs or self.main_method in (entry["first"], entry["second"])
                is_first = is_about and entry["metric"] == self.headline
                (first if is_first else others).append(entry)
        return first, others


def read_results(folder: Path) -> Results:
    """Reads the output of `trilift evaluate`, also of earlier versions.

    Raises:
        ValueError: the folder isn't one, or it is damaged or has another schema.
    """
    summary = with_nulls(read_results_json(folder))
    if not summary["methods"]:
        raise ValueError(f"{folder / RESULTS} lacks any method: evaluate again")
    rows = [with_nulls(row) for row in read_score_lines(folder)]
    return Results(folder, summary, [_with_paths(row, folder) for row in rows])


def mean_of(means: dict[str, Any] | None, metric: str) -> dict[str, Any] | None:
    """The entry of a metric; None where nothing was measured."""
    entry = None if means is None else means.get(metric)
    return entry if isinstance(entry, dict) and entry.get("mean") is not None else None


def metrics_in(results: Results, parts: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The metrics that have a mean in any of the parts."""
    parts = list(parts)
    return {
        name: metric
        for name, metric in results.metrics.items()
        if any(mean_of(means, name) for means in parts)
    }


def image_file(row: dict[str, Any], kind: str) -> Path | None:
    """The file of a row's input, prediction, truth, …; None if there is none or it was removed."""
    path: Path | None = row["files"].get(kind)
    return path if path is not None and path.is_file() else None


def _with_paths(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    files = row.get("files") or {}
    paths = {kind: None if path is None else folder / path for kind, path in files.items()}
    return {**row, "files": paths}
