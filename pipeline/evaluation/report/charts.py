"""The charts of an evaluation's page: every metric against the yaw gap, quality against seconds."""

from typing import Any

from .chart import Line, line_chart
from .numbers import label
from .results_folder import Results, gap_titles, mean_of
from .scatter import Point, pair_chart, speed_chart

COLOURS = (0, 1, 4, 3, 5, 6, 7, 8, 2)
"""Classes of the style sheet in the order in which methods get them; the grey one last."""

NOT_TIMED = ("trivial", "ceiling")
"""Kinds of methods whose seconds say nothing."""

DODGE = 0.05
"""Intervals of different methods stand beside each other, in widths of a yaw gap."""


def styles(results: Results) -> dict[str, str]:
    """A colour for each method; those that aren't competitors are drawn fainter."""
    faint = {"trivial": " faint", "ceiling": " faint"}
    ordered = sorted(results.methods, key=lambda name: name != results.main_method)
    return {
        name: (
            f"c{COLOURS[place % len(COLOURS)]}{faint.get(results.methods[name].get('kind') or '', '')}"
        )
        for place, name in enumerate(ordered)
    }


def gap_charts(results: Results) -> list[str]:
    """One chart a metric, the headline's first; none where there is only one yaw gap."""
    titles = gap_titles(results.told["scores"].values())
    if len(titles) < 2:
        return []
    order = sorted(results.metrics, key=lambda name: name != results.headline)
    ticks = [
        (float(place), "same" if title == "same view" else title.rstrip("°"))
        for place, title in enumerate(titles)
    ]
    charts = []
    for metric in order:
        lines = [
            line
            for place, name in enumerate(results.methods)
            if (line := _line(results, name, metric, titles, place)).points
        ]
        charts.append(
            line_chart(
                lines,
                x_label="yaw gap, degrees",
                y_label=label(results.metrics[metric]),
                x_ticks=ticks,
            )
        )
    return [chart for chart in charts if chart]


def _line(results: Results, name: str, metric: str, titles: list[str], place: int) -> Line:
    parts = {
        part["title"]: part
        for part in (results.told["scores"].get(name) or {}).get("by_yaw_gap") or []
    }
    means = {
        titles.index(title): mean
        for title, part in parts.items()
        if (mean := mean_of(part, metric)) is not None
    }
    shift = DODGE * (place - (len(results.methods) - 1) / 2)
    shown = sorted(means.items())
    return Line(
        results.methods[name]["title"],
        [(where + shift, float(mean["mean"])) for where, mean in shown],
        styles(results)[name],
        [_ends(mean) for _, mean in shown],
    )


def quality_over_seconds(results: Results, metric: str) -> str:
    """Where each method that takes time stands; empty where fewer than two do."""
    points = []
    for name, method in results.methods.items():
        mean = mean_of((results.told["scores"].get(name) or {}).get("all"), metric)
        if mean is not None and method.get("seconds") and method.get("kind") not in NOT_TIMED:
            points.append(
                Point(
                    method["title"],
                    float(method["seconds"]),
                    float(mean["mean"]),
                    styles(results)[name],
                    _ends(mean),
                )
            )
    return speed_chart(points, y_label=label(results.metrics[metric])) if len(points) > 1 else ""


def pair_charts(results: Results) -> list[str]:
    """One score over the other, picture by picture, for the pairs of methods that a comparison
    names.
    """
    charts = []
    for first, second in results.told.get("pairs") or []:
        if results.headline is not None:
            title_of = {name: results.methods[name]["title"] for name in (first, second)}
            points = _pairs(results, first, second, results.headline)
            unit = label(results.metrics[results.headline])
            charts.append(
                pair_chart(
                    points,
                    x_label=f"{unit}: {title_of[second]}",
                    y_label=f"{unit}: {title_of[first]}",
                )
            )
    return [chart for chart in charts if chart]


def _pairs(results: Results, first: str, second: str, metric: str) -> list[Point]:
    mine, other = (
        {
            (row["item"], row["view"]): float(row[metric])
            for row in results.rows_of(name)
            if row.get(metric) is not None
        }
        for name in (first, second)
    )
    return [
        Point(f"{item}, view {view}", other[item, view], value, "c0")
        for (item, view), value in mine.items()
        if (item, view) in other
    ]


def _ends(mean: dict[str, Any]) -> tuple[float, float]:
    low, high = mean.get("low"), mean.get("high")
    return (
        float(mean["mean"] if low is None else low),
        float(mean["mean"] if high is None else high),
    )
