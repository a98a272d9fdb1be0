"""An evaluation as Markdown: the page's tables without its pictures."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.runs.durations import duration

from .numbers import (
    NOTHING,
    counted,
    digits_of,
    heading,
    interval,
    label,
    metric_title,
    number,
    table_texts,
)
from .origin import origin_facts, origins
from .results_folder import Results, comparisons_of, gap_titles, mean_of
from .tables import speed_ups


def markdown(results: Results) -> str:
    """The whole report."""
    items, pictures, found = results.count()
    title = results.told.get("title") or f"Evaluation: {results.told['suite'].replace('_', ' ')}"
    count = (
        f"{counted(items, 'item')}, {counted(pictures, 'picture')} each method; faces found in"
        f" {found} of {items}."
    )
    parts = [
        f"# {title}",
        count,
        "## Scores",
        "Mean [95 % interval over identities].",
        _headline(results, "all"),
    ]
    if found < items and any(entry.get("found") for entry in results.told["scores"].values()):
        parts += ["Where a face was found:", _headline(results, "found")]
    parts += [
        speed_ups(results),
        _gaps(results),
        _comparisons(results),
        _slices(results),
        _extras(results),
        _unavailable(results),
        _origin(results),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '·') for cell in line)} |" for line in lines)


def _headline(results: Results, denominator: str) -> str:
    rows = []
    for name, method in results.methods.items():
        means = (results.told["scores"].get(name) or {}).get(denominator)
        cells = [
            _mean(mean_of(means, metric), digits_of(told))
            for metric, told in results.metrics.items()
        ]
        rows.append([method["title"], *cells, duration(method.get("seconds"))])
    return markdown_table(
        ["method", *(label(metric) for metric in results.metrics.values()), "a lift"], rows
    )


def _gaps(results: Results) -> str:
    titles = gap_titles(results.told["scores"].values())
    if len(titles) < 2 or results.headline is None:
        return ""
    metric, rows = results.metrics[results.headline], []
    for name, method in results.methods.items():
        parts = {
            part["title"]: part
            for part in (results.told["scores"].get(name) or {}).get("by_yaw_gap") or []
        }
        rows.append(
            [
                method["title"],
                *(
                    _mean(mean_of(parts.get(title), results.headline), digits_of(metric))
                    for title in titles
                ),
            ]
        )
    return f"## By yaw gap: {label(metric)}\n\n{markdown_table(['method', *titles], rows)}"


def _comparisons(results: Results) -> str:
    """Of the main method, or of the pairs that a comparison is about; the others are in
    results.json.
    """
    about = {name for pair in results.told.get("pairs") or [[results.main_method]] for name in pair}
    rows = []
    first, others = comparisons_of(results)
    for entry in [*first, *others]:
        metric = results.metrics[entry["metric"]]
        if entry["first"] in about or entry["second"] in about:
            names = " − ".join(
                results.methods[entry[side]]["title"] for side in ("first", "second")
            )
            ends = interval(entry, digits_of(metric), signed=True)
            difference = f"{number(entry['difference'], digits_of(metric), signed=True)}{f' [{ends}]' if ends else ''}"
            rows.append(
                [
                    names,
                    label(metric),
                    difference,
                    *(str(entry[what]) for what in ("wins", "losses", "ties", "identities")),
                ]
            )
    head = ["first − second", "metric", "difference", "wins", "losses", "ties", "identities"]
    return f"## Paired comparisons\n\n{markdown_table(head, rows)}" if rows else ""


def _slices(results: Results) -> str:
    scores = results.told["scores"].get(results.main_method) or {}
    parts = []
    for key in ("group", "part"):
        slices: Mapping[str, Any] = scores.get(f"by_{key}") or {}
        told = {
            name: metric
            for name, metric in results.metrics.items()
            if any(mean_of(means, name) for means in slices.values())
        }
        rows = [
            [name, *(_mean(mean_of(means, metric), digits_of(told[metric])) for metric in told)]
            for name, means in slices.items()
        ]
        if rows:
            table = markdown_table([key, *(label(metric) for metric in told.values())], rows)
            parts.append(f"## By {key}: {results.methods[results.main_method]['title']}\n\n{table}")
    return "\n\n".join(parts)


def _extras(results: Results) -> str:
    parts = []
    for name, extra in (results.told.get("extras") or {}).items():
        table = extra.get("table") or {"columns": [], "rows": []}
        text = markdown_table([str(head) for head in table["columns"]], table_texts(table["rows"]))
        parts += [
            f"## {heading(extra.get('title') or name)}",
            text if table["rows"] else "",
            *(str(note) for note in extra.get("notes") or []),
        ]
    return "\n\n".join(part for part in parts if part)


def _unavailable(results: Results) -> str:
    missing = results.told.get("unavailable") or []
    lines = "\n".join(
        f"- {metric_title(results.told, entry['metric'])}: {entry['why']}" for entry in missing
    )
    return f"## Not computed\n\n{lines or 'Nothing was left out.'}"


def _origin(results: Results) -> str:
    parts = ["## How this was made"]
    for name, told in origins(results):
        facts = "\n".join(
            f"- {f'{title}: ' if title else ''}{text}" for title, text in origin_facts(told)
        )
        parts += [
            f"### {name}" if name else "",
            f"```\n{told['run'].get('command') or ''}\n```",
            facts,
        ]
    return "\n\n".join(part for part in parts if part)


def _mean(mean: dict[str, Any] | None, digits: int) -> str:
    if mean is None:
        return NOTHING
    ends = interval(mean, digits)
    return f"{number(mean['mean'], digits)}{f' [{ends}]' if ends else ''}"
