"""From lines to results: a function of the lines and of what was asked alone, whoever measured them
and in which order.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.evaluation.metrics.metric import Metric
from pipeline.runs.json_lines import Line

from .gap_bins import gap_bins
from .means import mean_over_identities
from .paired import comparisons

RESULTS_SCHEMA = 2


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked of whom.

    Attributes:
        methods: name → title and kind, in order.
        items: names in order.
        metrics: descriptions of what was measured of each view, in order.
        missing: for each of these why it may have no number; and what couldn't be measured at all.
        gaps_deg: edges of the yaw gaps.
        parts: names of parts.
    """

    methods: Mapping[str, Mapping[str, Any]]
    items: Sequence[str]
    metrics: Mapping[str, Metric]
    missing: Mapping[str, str]
    gaps_deg: Sequence[float | int] = (0.0, 15.0, 30.0, 45.0, 60.0)
    parts: Sequence[str] = field(default_factory=tuple)


def in_order(lines: Iterable[Line], asked: Asked) -> list[Line]:
    """The lines by item, method and view, each once; those of methods that aren't asked any more
    are left out.
    """
    items = {name: place for place, name in enumerate(asked.items)}
    methods = {name: place for place, name in enumerate(asked.methods)}
    known = {
        (items[line["item"]], methods[line["method"]], line["view"]): line
        for line in lines
        if line["item"] in items and line["method"] in methods
    }
    return [known[key] for key in sorted(known)]


def summary(lines: Sequence[Line], asked: Asked) -> dict[str, Any]:
    """`methods`, `metrics`, `not_computed`, `scores` and `comparisons` of results.json."""
    measured = {
        name: metric
        for name, metric in asked.metrics.items()
        if any(line.get(name) is not None for line in lines)
    }
    absent = {name: why for name, why in asked.missing.items() if name not in measured}
    counted = headline(lines)
    return {
        "methods": {
            name: {**about, **speed(_of(lines, name))} for name, about in asked.methods.items()
        },
        "metrics": {name: metric.as_dict() for name, metric in measured.items()},
        "not_computed": [{"metric": name, "why": why} for name, why in absent.items()],
        "counted": denominators(lines),
        "scores": {
            name: scores_of_method(_of(counted, name), _of(lines, name), measured, asked)
            for name in asked.methods
        },
        "comparisons": comparisons(counted, list(asked.methods), measured),
    }


def headline(lines: Sequence[Line]) -> list[Line]:
    """The lines that the headline counts: new views, where an item has any; for the others all
    views.
    """
    items_with_new = {
        line["item"] for line in lines if line["gap_deg"] is None or line["gap_deg"] > 0
    }
    return [
        line
        for line in lines
        if line["item"] not in items_with_new or line["gap_deg"] is None or line["gap_deg"] > 0
    ]


def denominators(lines: Sequence[Line]) -> dict[str, Any]:
    """How many items there are, in how many a face was found, and how many methods left without an
    answer.
    """
    items = {line["item"]: line["face_found"] for line in lines}
    unanswered = Counter(line["method"] for line in lines if line["prediction_sha256"] is None)
    return {
        "items": len(items),
        "faces_found": sum(items.values()),
        "pictures_without_answer": dict(sorted(unanswered.items())),
    }


def scores_of_method(
    counted: Sequence[Line], lines: Sequence[Line], metrics: Iterable[str], asked: Asked
) -> dict[str, Any]:
    """Means of one method: over all counted images, over those with a face, by part and group; over
    all its lines by yaw gap.
    """
    metrics = list(metrics)
    by_gap = []
    for gap_bin in gap_bins(asked.gaps_deg):
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
        "by_part": {part: part_means(counted, part) for part in asked.parts},
        "by_group": {
            group: means([line for line in counted if line["group"] == group], metrics)
            for group in groups
        },
    }


def means(lines: Sequence[Line], metrics: Iterable[str]) -> dict[str, Any]:
    """By metric the mean over identities with its interval; None where nothing was measured."""
    found = {
        metric: mean_over_identities((line["subject"], line.get(metric)) for line in lines)
        for metric in metrics
    }
    return {metric: None if mean is None else mean.as_dict() for metric, mean in found.items()}


def part_means(lines: Sequence[Line], part: str) -> dict[str, Any]:
    """The same for what was measured inside a part."""
    inside = [
        {"subject": line["subject"], **line["parts"][part]}
        for line in lines
        if line.get("parts", {}).get(part)
    ]
    return means(
        inside, dict.fromkeys(metric for line in inside for metric in line if metric != "subject")
    )


def speed(lines: Sequence[Line]) -> dict[str, Any]:
    """Medians over items of the seconds of a lift and of a rendered view, and the largest memory of
    a lift.
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


def _of(lines: Sequence[Line], method: str) -> list[Line]:
    return [line for line in lines if line["method"] == method]
