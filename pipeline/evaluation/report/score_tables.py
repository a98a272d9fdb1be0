"""The tables of a report as plain cells, which the templates write as HTML and as Markdown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.runs.durations import duration

from .numbers import (
    NOTHING,
    counted,
    digits_of,
    heading,
    interval,
    label,
    number,
    table_texts,
)
from .results_folder import Results, mean_of, metrics_in


@dataclass(frozen=True)
class TableCell:
    """A cell.

    Attributes:
        text: its content.
        small: a second line: an interval, a kind.
        sort: the number that it sorts by; None: its text.
        style: best, better or worse.
        hint: a tooltip.
    """

    text: str
    small: str = ""
    sort: float | int | None = None
    style: str = ""
    hint: str = ""


@dataclass(frozen=True)
class Column:
    """The head of a column; `small` is a second line, `hint` a tooltip."""

    title: str
    small: str = ""
    hint: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """A table; the first column names the rows."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[TableCell]]
    title: str = ""
    notes: Sequence[str] = field(default_factory=tuple)


def headline_table(results: Results, part: str = "all") -> Table:
    """Methods × metrics and the seconds of a lift; the best of each column, the ceiling aside, is
    marked.
    """
    means = {name: results.means(name, part) for name in results.methods}
    shown = {name: method for name, method in results.methods.items() if means[name]}
    competing = [name for name in shown if shown[name].get("kind") != "ceiling"]
    best = {
        metric: _best([means[name] for name in competing], metric, about["more_is_better"])
        for metric, about in results.metrics.items()
    }
    rows = []
    for name, method in shown.items():
        cells = []
        for metric, about in results.metrics.items():
            mean = mean_of(means[name], metric)
            is_best = name in competing and mean is not None and mean["mean"] == best[metric]
            cells.append(_mean_cell(mean, digits_of(about), "best" if is_best else ""))
        rows.append([_name_cell(method), *cells, _seconds_cell(method.get("seconds"))])
    lift = Column("lift", "median", "seconds of one lift after a warm-up")
    return Table([Column("method"), *_metric_columns(results.metrics), lift], rows)


def slice_table(results: Results, kind: str) -> Table | None:
    """Means of the main method by "group" or "part"; None where there are none."""
    slices = results.means(results.main_method, f"by_{kind}")
    if not slices:
        return None
    metrics = metrics_in(results, slices.values())
    rows = [
        [
            TableCell(name),
            *(_mean_cell(mean_of(means, metric), digits_of(metrics[metric])) for metric in metrics),
        ]
        for name, means in slices.items()
    ]
    title = f"By {kind}: {results.methods[results.main_method]['title']}"
    return Table([Column(kind), *_metric_columns(metrics)], rows, title)


def gap_table(results: Results) -> Table | None:
    """The headline metric, methods × yaw gaps; None for fewer than two gaps."""
    titles = results.gap_titles()
    if len(titles) < 2 or results.headline is None:
        return None
    metric, digits = results.headline, digits_of(results.metrics[results.headline])
    rows = []
    for name, method in results.methods.items():
        gaps = results.gaps(name)
        cells = [_mean_cell(mean_of(gaps.get(title), metric), digits) for title in titles]
        rows.append([_name_cell(method), *cells])
    return Table([Column("method"), *map(Column, titles)], rows, label(results.metrics[metric]))


def comparison_table(results: Results, entries: Sequence[Mapping[str, Any]]) -> Table | None:
    """Paired differences on the same images; None where there are none."""
    rows = []
    for entry in entries:
        metric = results.metrics[entry["metric"]]
        names = " − ".join(results.methods[entry[side]]["title"] for side in ("first", "second"))
        counts = [
            TableCell(str(entry[key]), sort=entry[key])
            for key in ("wins", "losses", "ties", "identities")
        ]
        rows.append(
            [TableCell(names), TableCell(label(metric)), _difference_cell(entry, metric), *counts]
        )
    columns = [
        Column("first − second"),
        Column("metric", is_text=True),
        Column("difference", "95 % interval"),
        Column("wins", "of the first"),
        *map(Column, ("losses", "ties", "identities")),
    ]
    return Table(columns, rows) if rows else None


def extra_table(name: str, extra: Mapping[str, Any]) -> Table:
    """A table that a suite computed itself."""
    table = extra.get("table") or {"columns": [], "rows": []}
    columns = list(zip(*table["rows"], strict=True)) or [()] * len(table["columns"])
    rows = [
        [
            TableCell(text, sort=None if isinstance(value, str) or value is None else float(value))
            for value, text in zip(values, texts, strict=True)
        ]
        for values, texts in zip(table["rows"], table_texts(table["rows"]), strict=True)
    ]
    heads = [
        Column(str(head), is_text=any(isinstance(cell, str) for cell in cells))
        for head, cells in zip(table["columns"], columns, strict=True)
    ]
    notes = [str(note) for note in extra.get("notes") or []]
    return Table(heads, rows, heading(extra.get("title") or name), notes)


def _best(means: Sequence[Mapping[str, Any]], metric: str, more_is_better: bool) -> float | None:
    values = [mean["mean"] for entry in means if (mean := mean_of(dict(entry), metric))]
    return (max if more_is_better else min)(values) if len(values) > 1 else None


def _metric_columns(metrics: Mapping[str, Mapping[str, Any]]) -> list[Column]:
    return [
        Column(label(metric, with_unit=False), metric.get("unit") or "", metric.get("is") or "")
        for metric in metrics.values()
    ]


def _name_cell(method: Mapping[str, Any]) -> TableCell:
    return TableCell(method["title"], method.get("kind") or "")


def _mean_cell(mean: Mapping[str, Any] | None, digits: int, style: str = "") -> TableCell:
    if mean is None:
        return TableCell(NOTHING)
    hint = ""
    if mean.get("identities"):
        identities = counted(mean["identities"], "identity", "identities")
        hint = f"{identities}, {counted(mean['pictures'], 'image')}"
    elif mean.get("references"):
        references = counted(mean["references"], "reference")
        hint = f"{counted(mean['pictures'], 'image')} against {references}"
    return TableCell(
        number(mean["mean"], digits), interval(mean, digits), mean["mean"], style, hint
    )


def _seconds_cell(seconds: float | None) -> TableCell:
    return TableCell(duration(seconds), sort=seconds)


def _difference_cell(entry: Mapping[str, Any], metric: Mapping[str, Any]) -> TableCell:
    low, high = entry.get("low"), entry.get("high")
    is_significant = low is not None and high is not None and (low > 0 or high < 0)
    is_significant = is_significant and entry.get("identities") != 1  # as `interval` shows none
    is_better = (entry["difference"] > 0) == metric["more_is_better"]
    style = ("better" if is_better else "worse") if is_significant else ""
    digits = digits_of(metric)
    text = number(entry["difference"], digits, signed=True)
    return TableCell(text, interval(entry, digits, signed=True), entry["difference"], style)
