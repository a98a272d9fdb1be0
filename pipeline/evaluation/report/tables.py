"""The tables of an evaluation's page: means with intervals, paired differences, and what only one
suite measures.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from pipeline.runs.durations import duration

from .numbers import (
    NOTHING,
    counted,
    digits_of,
    interval,
    label,
    number,
    table_texts,
    times,
)
from .results_folder import Results, gap_titles, mean_of

Means = Mapping[str, dict[str, Any] | None]
"""What a table has a row for: its title → means by metric."""


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, sortable: bool = True) -> str:
    """A table of cells that are HTML already: `<td>` is put around those that have none."""
    tops = "".join(top if top.startswith("<th") else f"<th>{top}</th>" for top in head)
    body = "".join(
        f"<tr>{''.join(cell if cell.startswith('<td') else f'<td>{cell}</td>' for cell in row)}</tr>"
        for row in rows
    )
    style = ' class="sortable"' if sortable and len(rows) > 1 else ""
    return (
        "<div"
        f' class="wide"><table{style}><thead><tr>{tops}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def headline_table(results: Results, denominator: str = "all") -> str:
    """Methods × metrics; the best of each column stands out, whatever its interval. Seconds come
    last.
    """
    methods = {
        name: method
        for name, method in results.methods.items()
        if (results.told["scores"].get(name) or {}).get(denominator)
    }
    means = {name: results.told["scores"][name][denominator] for name in methods}
    competing = [name for name in methods if methods[name].get("kind") != "ceiling"]
    rows = []
    for name, method in methods.items():
        cells = [
            mean_cell(
                mean_of(means[name], metric),
                digits_of(told),
                best=name in _best(means, competing, metric, told),
            )
            for metric, told in results.metrics.items()
        ]
        rows.append(
            [
                _name_cell(method, name == results.main_method),
                *cells,
                _seconds_cell(method.get("seconds")),
            ]
        )
    return html_table(
        [
            "method",
            *metric_heads(results),
            '<th title="median of one lift, after a warm-up">seconds<small>a lift</small></th>',
        ],
        rows,
    )


def means_table(title: str, rows: Means, results: Results) -> str:
    """Means of one method by something: a yaw gap, a group, a part."""
    told = {
        name: metric
        for name, metric in results.metrics.items()
        if any(mean_of(means, name) for means in rows.values())
    }
    cells = [
        [
            escape(name),
            *(mean_cell(mean_of(means, metric), digits_of(told[metric])) for metric in told),
        ]
        for name, means in rows.items()
    ]
    return html_table([escape(title), *metric_heads(results, told)], cells)


def by_gap_table(results: Results, metric: str) -> str:
    """Methods × yaw gaps."""
    titles = gap_titles(results.told["scores"].values())
    rows = []
    for name, method in results.methods.items():
        parts = {
            part["title"]: part
            for part in (results.told["scores"].get(name) or {}).get("by_yaw_gap") or []
        }
        cells = [
            mean_cell(mean_of(parts.get(title), metric), digits_of(results.metrics[metric]))
            for title in titles
        ]
        rows.append([_name_cell(method, name == results.main_method), *cells])
    return html_table([label(results.metrics[metric]), *map(escape, titles)], rows)


def comparison_table(results: Results, entries: Sequence[dict[str, Any]]) -> str:
    """Paired differences on the same pictures; empty where there are none."""
    rows = []
    for entry in entries:
        metric = results.metrics[entry["metric"]]
        digits = digits_of(metric)
        rows.append(
            [
                (
                    f"{escape(results.methods[entry['first']]['title'])} −"
                    f" {escape(results.methods[entry['second']]['title'])}"
                ),
                f"<td class=text>{escape(label(metric))}</td>",
                _difference_cell(entry, digits, more_is_better=metric["more_is_better"]),
                *(
                    f'<td data-value="{entry[what]}">{entry[what]}</td>'
                    for what in ("wins", "losses", "ties", "identities")
                ),
            ]
        )
    heads = [
        "first − second",
        "<th class=text>metric</th>",
        "difference<small>95 % interval</small>",
        "wins<small>of the first</small>",
    ]
    return html_table([*heads, "losses", "ties", "identities"], rows) if rows else ""


def extra_table(extra: dict[str, Any]) -> str:
    """A table that a suite made itself."""
    table = extra.get("table") or {"columns": [], "rows": []}
    columns = list(zip(*table["rows"], strict=False)) if table["rows"] else []
    textual = {
        place for place, cells in enumerate(columns) if any(isinstance(cell, str) for cell in cells)
    }
    texts = table_texts(table["rows"])
    rows = [
        [
            _plain_cell(cell, text, place in textual)
            for place, (cell, text) in enumerate(zip(row, shown, strict=True))
        ]
        for row, shown in zip(table["rows"], texts, strict=True)
    ]
    heads = [
        f"<th{' class=text' if place in textual else ''}>{escape(str(head))}</th>"
        for place, head in enumerate(table["columns"])
    ]
    notes = "".join(f"<p class=note>{escape(str(note))}</p>" for note in extra.get("notes") or [])
    return f"{html_table(heads, rows) if rows else ''}{notes}"


def speed_ups(results: Results) -> str:
    """How many times faster the main method is than each method that takes longer; empty where
    nobody does.
    """
    mine = results.methods[results.main_method].get("seconds")
    if not mine:
        return ""
    others = [
        method
        for name, method in results.methods.items()
        if name != results.main_method and method.get("kind") != "trivial"
    ]
    slower = [
        (method["title"], method["seconds"] / mine)
        for method in others
        if (method.get("seconds") or 0) > 2 * mine
    ]
    told = ", ".join(
        f"{times(factor)} as fast as {title}"
        for title, factor in sorted(slower, key=lambda pair: -pair[1])
    )
    title = results.methods[results.main_method]["title"]
    return f"A lift takes {title} {duration(mine)}: measured {told}." if slower else ""


def metric_heads(
    results: Results, metrics: Mapping[str, dict[str, Any]] | None = None
) -> list[str]:
    """Column heads with unit and explanation."""
    told = results.metrics if metrics is None else metrics
    return [
        f'<th title="{escape(metric.get("is") or "")}">{escape(label(metric, with_unit=False))}<small>{escape(unit)}</small></th>'
        for metric in told.values()
        for unit in [metric.get("unit") or "\u00a0"]
    ]


def mean_cell(mean: dict[str, Any] | None, digits: int, *, best: bool = False) -> str:
    """A mean above its interval."""
    if mean is None:
        return f"<td>{NOTHING}</td>"
    about = (
        f"{counted(mean['identities'], 'identity', 'identities')},"
        f" {counted(mean['pictures'], 'picture')}"
        if mean.get("identities")
        else ""
    )
    small = f"<small>{interval(mean, digits)}</small>" if interval(mean, digits) else ""
    style = " class=best" if best else ""
    return (
        f'<td{style} data-value="{mean["mean"]}"'
        f' title="{about}">{number(mean["mean"], digits)}{small}</td>'
    )


def _best(
    means: Mapping[str, Any], names: Sequence[str], metric: str, told: dict[str, Any]
) -> list[str]:
    values = {
        name: found["mean"] for name in names if (found := mean_of(means[name], metric)) is not None
    }
    if len(values) < 2:
        return []
    best = (max if told["more_is_better"] else min)(values.values())
    return [name for name, value in values.items() if value == best]


def _name_cell(method: dict[str, Any], is_main: bool) -> str:
    kind = method.get("kind") or ""
    title = escape(method["title"])
    return f'<td data-value="{title}">{f"<b>{title}</b>" if is_main else title}<small>{escape(kind)}</small></td>'


def _seconds_cell(seconds: float | None) -> str:
    return (
        f"<td>{NOTHING}</td>"
        if seconds is None
        else f'<td data-value="{seconds}">{duration(seconds)}</td>'
    )


def _difference_cell(entry: dict[str, Any], digits: int, *, more_is_better: bool) -> str:
    low, high = entry.get("low"), entry.get("high")
    sure = low is not None and high is not None and (low > 0 or high < 0)
    good = (entry["difference"] > 0) == more_is_better
    style = f" class={'better' if good else 'worse'}" if sure else ""
    text = f"{number(entry['difference'], digits, signed=True)}<small>{interval(entry, digits, signed=True)}</small>"
    return f'<td{style} data-value="{entry["difference"]}">{text}</td>'


def _plain_cell(value: Any, text: str, is_text: bool) -> str:
    sort = "" if isinstance(value, str) or value is None else f' data-value="{float(value)}"'
    return f"<td{' class=text' if is_text else ''}{sort}>{escape(text)}</td>"
