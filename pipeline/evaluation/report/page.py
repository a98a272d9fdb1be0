"""One self-contained page for an evaluation: tables, charts, a slider, every picture's scores;
beside it Markdown and CSV.
"""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from pipeline.runs.durations import duration
from pipeline.runs.files import write_text

from .cases import case_data
from .charts import gap_charts, pair_charts, quality_over_seconds
from .csv import means_csv, scores_csv
from .frame import framed
from .gallery import gallery, look
from .markdown import markdown
from .numbers import counted, digits_of, heading, interval, metric_title, number, times
from .origin import origin
from .pictures import BUDGET
from .results_folder import Results, comparisons_of, mean_of, read_results
from .tables import (
    by_gap_table,
    comparison_table,
    extra_table,
    headline_table,
    means_table,
    speed_ups,
)

FIRST_CHARTS = 6
"""Metrics whose charts are open; the others' are folded."""


def write_report(output: Path, *, budget: int = BUDGET) -> Path:
    """Writes index.html, report.md, scores.csv and means.csv from results.json, scores.jsonl and
    the pictures alone.

    Args:
        output: of `trilift evaluate`.
        budget: bytes of the pictures inside the page, before base64.

    Returns:
        the page.

    Raises:
        ValueError: the folder isn't the output of an evaluation, or something in it is damaged.
    """
    return write_pages(read_results(output), output, budget=budget)


def write_pages(results: Results, output: Path, *, budget: int = BUDGET) -> Path:
    """The same for results that have been read."""
    write_text(output / "report.md", markdown(results))
    write_text(output / "scores.csv", scores_csv(results, output))
    write_text(output / "means.csv", means_csv(results))
    write_text(output / "index.html", page(results, budget=budget))
    return output / "index.html"


def page(results: Results, *, budget: int = BUDGET) -> str:
    """The page; nothing in it points outside itself."""
    data, missing = case_data(results, budget=budget)
    is_comparison = bool(results.told.get("pairs"))
    sections = [
        _head(results),
        *([_comparisons(results)] if is_comparison else []),
        _headline(results),
        look(results),
        _gaps(results),
        _seconds(results),
        *([] if is_comparison else [_comparisons(results)]),
        _slices(results),
        _extras(results),
        gallery(results, missing),
        _unavailable(results),
        origin(results),
    ]
    return framed(title_of(results), "".join(sections), data)


def title_of(results: Results) -> str:
    """Of the page."""
    return results.told.get("title") or f"Evaluation: {results.told['suite'].replace('_', ' ')}"


def _head(results: Results) -> str:
    items, pictures, found = results.count()
    asked = ", ".join(method["title"] for method in results.methods.values())
    lead = (
        f"{counted(items, 'item')}, {counted(pictures, 'picture')} scored for each method: {asked}."
    )
    facts = _main_facts(results)
    facts += (
        [(f"{found:,} of {items:,}", "faces found; the others count as well")]
        if found < items
        else []
    )
    cells = "".join(
        f'<div class="fact"><b>{escape(value)}</b><span>{escape(text)}</span></div>'
        for value, text in facts
    )
    said = [
        f"{method['title']}: {note}"
        for method in results.methods.values()
        for note in method.get("notes") or []
    ]
    notes = "".join(
        f'<p class="note">{escape(note)}</p>'
        for note in [*(results.told.get("notes") or []), *said]
    )
    return (
        f'<h1>{escape(title_of(results))}</h1><p class="lead">{escape(lead)}</p><div'
        f' class="facts">{cells}</div>{notes}'
    )


def _difference_facts(results: Results) -> list[tuple[str, str]]:
    """Of the pairs that a comparison is about, by the headline's metric."""
    facts = []
    for first, second in results.told.get("pairs") or []:
        for entry in results.told.get("comparisons") or []:
            if (entry["first"], entry["second"], entry["metric"]) == (
                first,
                second,
                results.headline,
            ):
                told, digits = (
                    results.metrics[entry["metric"]],
                    digits_of(results.metrics[entry["metric"]]),
                )
                names = " − ".join(results.methods[name]["title"] for name in (first, second))
                ends = f"95 % interval {interval(entry, digits, signed=True)}"
                wins = (
                    f"better in {entry['wins']:,} of"
                    f" {entry['wins'] + entry['losses'] + entry['ties']:,} pictures"
                )
                value = f"{number(entry['difference'], digits, signed=True)} {told.get('unit') or ''}".strip()
                facts.append((value, f"{told['title']}, {names}; {ends}; {wins}"))
    return facts


def _main_facts(results: Results) -> list[tuple[str, str]]:
    if results.told.get("pairs"):
        return _difference_facts(results)
    facts = []
    main, metric = results.main_method, results.headline
    method = results.methods[main]
    mean = (
        None
        if metric is None
        else mean_of((results.told["scores"].get(main) or {}).get("all"), metric)
    )
    if metric is not None and mean is not None:
        told, digits = results.metrics[metric], digits_of(results.metrics[metric])
        ends = f"; 95 % interval {interval(mean, digits)}" if interval(mean, digits) else ""
        facts.append(
            (
                f"{number(mean['mean'], digits)} {told.get('unit') or ''}".strip(),
                f"{told['title']}, {method['title']}{ends}",
            )
        )
    if method.get("seconds"):
        facts.append((duration(method["seconds"]), f"for one lift, {method['title']} (median)"))
    slow = [
        other
        for other in results.methods.values()
        if other.get("kind") == "inversion" and method.get("seconds") and other.get("seconds")
    ]
    if slow:
        slowest = max(slow, key=lambda other: float(other["seconds"]))
        facts.append(
            (
                times(slowest["seconds"] / method["seconds"]),
                f"as fast as {slowest['title']}, on the same pictures",
            )
        )
    return facts


def _headline(results: Results) -> str:
    text = (
        "Means over new views (of items without one: the given view), each with its 95 % interval"
        " over identities. Bold: the best of a column, the ceiling aside."
    )
    return f"<h2>Scores</h2><p class=note>{text}</p>{headline_table(results)}{_found(results)}"


def _found(results: Results) -> str:
    items, _, found = results.count()
    if found == items:
        return (
            '<p class="note">A face was found in every picture: leaving none out changes'
            " nothing.</p>"
        )
    left = f"Only the {found:,} of {items:,} in which a face was found"
    if not any(entry.get("found") for entry in results.told["scores"].values()):
        return f'<p class="note">{left}: not scored apart.</p>'
    return f"<details><summary>{left}</summary>{headline_table(results, 'found')}</details>"


def _gaps(results: Results) -> str:
    charts = gap_charts(results)
    if not charts or results.headline is None:
        return ""
    first = f'<div class="charts">{"".join(charts[:FIRST_CHARTS])}</div>'
    more = (
        "<details><summary>Other metrics</summary><div"
        f' class="charts">{"".join(charts[FIRST_CHARTS:])}</div></details>'
    )
    numbers = (
        f"<details><summary>As a table</summary>{by_gap_table(results, results.headline)}</details>"
    )
    text = "As the seen view turns away from the given one. Bars: 95 % intervals."
    return (
        "<h2>By yaw gap</h2><p"
        f" class=note>{text}</p>{first}{more if len(charts) > FIRST_CHARTS else ''}{numbers}"
    )


def _seconds(results: Results) -> str:
    chart = "" if results.headline is None else quality_over_seconds(results, results.headline)
    told = speed_ups(results)
    if not chart and not told:
        return ""
    return f'<h2>Quality and time</h2><p>{escape(told)}</p><div class="charts single">{chart}</div>'


def _comparisons(results: Results) -> str:
    first, others = comparisons_of(results)
    if not first and not others:
        return ""
    more = comparison_table(results, others)
    table = comparison_table(results, first)
    table += f"<details><summary>Other pairs and metrics</summary>{more}</details>" if more else ""
    text = (
        "Differences of the same pictures, with 95 % intervals over identities; coloured where the"
        " interval leaves no doubt about the sign."
    )
    charts = pair_charts(results)
    folded = f'<div class="charts pairs">{"".join(charts)}</div>' if charts else ""
    return f"<h2>Paired comparisons</h2><p class=note>{text}</p>{table}{folded}"


def _slices(results: Results) -> str:
    """By group and by part, for the method that the evaluation is about."""
    scores = results.told["scores"].get(results.main_method) or {}
    title = escape(results.methods[results.main_method]["title"])
    told = ""
    for key, what in (("by_group", "group"), ("by_part", "part")):
        rows: Mapping[str, Any] = scores.get(key) or {}
        if rows:
            told += (
                f"<h2>By {what}</h2><p class=note>Means of"
                f" {title}.</p>{means_table(what, rows, results)}"
            )
    return told


def _extras(results: Results) -> str:
    extras: Mapping[str, dict[str, Any]] = results.told.get("extras") or {}
    return "".join(
        f"<h2>{escape(heading(extra.get('title') or name))}</h2>{extra_table(extra)}"
        for name, extra in extras.items()
    )


def _unavailable(results: Results) -> str:
    missing = results.told.get("unavailable") or []
    if not missing:
        return "<h2>Not computed</h2><p>Nothing was left out.</p>"
    items = "".join(
        f"<dt>{escape(metric_title(results.told, entry['metric']))}</dt><dd>{escape(entry['why'])}</dd>"
        for entry in missing
    )
    return f"<h2>Not computed</h2><dl>{items}</dl>"
