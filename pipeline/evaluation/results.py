"""From score lines to results.json: a function of the lines and the scope alone, independent of the
processes that measured them and of their order.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.evaluation.metrics.metric import Metric
from pipeline.runs.json_lines import Line, read_lines
from pipeline.runs.renamed import read_json

from .angles import gap_bins
from .means import mean_over_identities
from .paired import comparisons
from .result_shapes import HASHED, require_line, require_results
from .score_lines import headline, of_method

RESULTS_SCHEMA = 2
AGAIN = "evaluate again"

UNSAID = {
    **dict.fromkeys(("seconds", "render_seconds", "peak_memory_mib")),
    **dict.fromkeys(("gap_deg", "group", "sequence")),
    **{f"{kind}_sha256": None for kind in HASHED},
}
"""Keys of score lines that are null where there is nothing to say."""


class ResultsFile(dict[str, Any]):
    """The content of results.json. Readers need different keys of it: a missing one is named when
    it is asked for, as ValueError.
    """

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        super().__init__(content)
        self.path = path

    def __missing__(self, key: str) -> Any:
        raise ValueError(f"{self.path} lacks {key!r}: {AGAIN}")


@dataclass(frozen=True, kw_only=True)
class EvaluationScope:
    """What results report.

    Attributes:
        methods: name → title and kind, in order.
        items: names in order.
        metrics: descriptions of the metrics of single views, in order.
        missing: for each of these, and for each unavailable metric, why it may have no number.
        gaps_deg: edges of the bins of yaw gaps.
        parts: names of parts.
    """

    methods: Mapping[str, Mapping[str, Any]]
    items: Sequence[str]
    metrics: Mapping[str, Metric]
    missing: Mapping[str, str]
    gaps_deg: Sequence[float | int] = (0.0, 15.0, 30.0, 45.0, 60.0)
    parts: Sequence[str] = field(default_factory=tuple)


def read_results_json(output: Path) -> ResultsFile:
    """results.json of an evaluation, with today's keys.

    Raises:
        ValueError: there is none, or it is damaged or of another version; later, a key that it
            lacks is needed.
    """
    path = output / "results.json"
    try:
        results = read_json(path, dict[str, Any], AGAIN)
    except FileNotFoundError:
        raise ValueError(
            f"{output} has no results.json: give the output folder of a finished `trilift evaluate`"
        ) from None
    if results.get("schema") != RESULTS_SCHEMA:
        raise ValueError(
            f"{path} has schema {results.get('schema')!r}, this version reads {RESULTS_SCHEMA}:"
            f" {AGAIN}"
        )
    require_results(results, str(path), AGAIN)
    _name_references(results)
    return ResultsFile(path, results)


def _name_references(results: dict[str, Any]) -> None:
    """Distances of image sets, the only means without an interval, had their number of reference
    images under `identities` in earlier versions.
    """
    for scores in results["scores"].values():
        for mean in filter(None, scores["all"].values()):
            if "identities" in mean and mean.get("low", 0.0) is None:
                mean["references"] = mean.pop("identities")


def read_score_lines(output: Path) -> list[Line]:
    """scores.jsonl of an evaluation, with today's keys; what a line leaves out is null.

    Raises:
        ValueError: there is none, or a line is damaged.
    """
    path = output / "scores.jsonl"
    if not path.exists():
        raise ValueError(
            f"{output} has no scores.jsonl: give the output folder of a finished `trilift evaluate`"
        )
    lines = read_lines(path, dict[str, Any], AGAIN)
    for number, line in enumerate(lines, 1):
        require_line(line, f"{path}, line {number}", AGAIN)
    return [_complete(line) for line in lines]


def _complete(line: Line) -> Line:
    unsaid = {"subject": line["item"], "face_found": True, **UNSAID}
    files = {**line["files"], **{kind: line["files"].get(kind) for kind in (*HASHED, "frontal")}}
    return {**line, **{key: unsaid[key] for key in unsaid if key not in line}, "files": files}


def in_order(lines: Iterable[Line], scope: EvaluationScope) -> list[Line]:
    """The lines by item, method and view, each once; lines outside the scope are left out."""
    items = {name: place for place, name in enumerate(scope.items)}
    methods = {name: place for place, name in enumerate(scope.methods)}
    known = {
        (items[line["item"]], methods[line["method"]], line["view"]): line
        for line in lines
        if line["item"] in items and line["method"] in methods
    }
    return [known[key] for key in sorted(known)]


def summary(lines: Sequence[Line], scope: EvaluationScope) -> dict[str, Any]:
    """`methods`, `metrics`, `unavailable`, `counted`, `scores`, `comparisons` of the results."""
    measured = {
        name: metric
        for name, metric in scope.metrics.items()
        if any(line.get(name) is not None for line in lines)
    }
    unavailable = {name: why for name, why in scope.missing.items() if name not in measured}
    counted = headline(lines)
    return {
        "methods": {
            name: {**about, **speed(of_method(lines, name))}
            for name, about in scope.methods.items()
        },
        "metrics": {name: metric.as_dict() for name, metric in measured.items()},
        "unavailable": [{"metric": name, "why": why} for name, why in unavailable.items()],
        "counted": denominators(lines, scope),
        "scores": {
            name: scores_of_method(
                of_method(counted, name), of_method(lines, name), measured, scope
            )
            for name in scope.methods
        },
        "comparisons": comparisons(counted, list(scope.methods), measured),
    }


def denominators(lines: Sequence[Line], scope: EvaluationScope) -> dict[str, Any]:
    """Numbers of the suite's items (the ceiling has items of its own), of those with a face, and of
    missing predictions by method.
    """
    kinds = {name: about.get("kind") for name, about in scope.methods.items()}
    items = {
        line["item"]: line["face_found"] for line in lines if kinds.get(line["method"]) != "ceiling"
    }
    missing = Counter(line["method"] for line in lines if line["prediction_sha256"] is None)
    return {
        "items": len(items),
        "faces_found": sum(items.values()),
        "missing_predictions": dict(sorted(missing.items())),
    }


def scores_of_method(
    counted: Sequence[Line], lines: Sequence[Line], metrics: Iterable[str], scope: EvaluationScope
) -> dict[str, Any]:
    """Means of one method: over all counted views, over those with a face, by part and group; over
    all its lines by yaw gap.
    """
    metrics = list(metrics)
    by_gap = []
    for gap_bin in gap_bins(scope.gaps_deg):
        inside = [line for line in lines if line["gap_deg"] in gap_bin]
        if inside:
            limits = {
                "from_deg": gap_bin.low,
                "to_deg": gap_bin.high if gap_bin.high < 360 else None,
            }
            by_gap.append({"title": gap_bin.title, **limits, **means(inside, metrics)})
    found = [line for line in counted if line["face_found"]]
    groups = sorted({line["group"] for line in counted if line["group"] is not None})
    return {
        "all": means(counted, metrics),
        "found": means(found, metrics) if len(found) < len(counted) else None,
        "by_yaw_gap": by_gap,
        "by_part": {part: part_means(counted, part) for part in scope.parts},
        "by_group": {
            group: means([line for line in counted if line["group"] == group], metrics)
            for group in groups
        },
    }


def means(lines: Sequence[Line], metrics: Iterable[str]) -> dict[str, Any]:
    """By metric the mean over identities with its interval; None without a number."""
    found = {
        metric: mean_over_identities((line["subject"], line.get(metric)) for line in lines)
        for metric in metrics
    }
    return {metric: None if mean is None else mean.as_dict() for metric, mean in found.items()}


def part_means(lines: Sequence[Line], part: str) -> dict[str, Any]:
    """The same for the scores inside a part."""
    inside = [
        {"subject": line["subject"], **line["parts"][part]}
        for line in lines
        if line.get("parts", {}).get(part)
    ]
    return means(
        inside, dict.fromkeys(metric for line in inside for metric in line if metric != "subject")
    )


def speed(lines: Sequence[Line]) -> dict[str, Any]:
    """Medians over items of the seconds of a lift and of a rendered view; the peak memory of a
    lift.
    """
    first = [line for line in lines if line["view"] == 0]
    seconds, rendering, memory = (
        [line[name] for line in first if line[name] is not None]
        for name in ("seconds", "render_seconds", "peak_memory_mib")
    )
    return {
        "seconds": statistics.median(seconds) if seconds else None,
        "render_seconds": statistics.median(rendering) if rendering else None,
        "peak_memory_mib": max(memory) if memory else None,
    }
