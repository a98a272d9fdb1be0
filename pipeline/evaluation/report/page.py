"""The report of an evaluation: a self-contained page, the same as Markdown, and CSV files."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.runs.durations import duration
from pipeline.runs.files import write_text

from .cases import case_data
from .charts import gap_charts, method_lines, pair_charts, time_chart
from .csv_files import means_csv, scores_csv
from .images import BUDGET
from .maps import error_gradient
from .numbers import counted, digits_of, heading, interval, metric_title, number, times
from .provenance import provenance
from .results_folder import Results, mean_of, read_results
from .score_tables import comparison_table, extra_table, gap_table, headline_table, slice_table

if TYPE_CHECKING:
    from jinja2 import Environment

OPEN_CHARTS = 6
"""Metrics whose charts over the yaw gap are open; the others' are folded."""


def write_report(output: Path, *, budget: int = BUDGET) -> Path:
    """Writes index.html, report.md, scores.csv and means.csv from results.json, scores.jsonl and
    the images alone.

    Args:
        output: of `trilift evaluate`.
        budget: bytes of the images inside the page, before base64.

    Returns:
        the page.

    Raises:
        ValueError: the folder isn't the output of an evaluation, or something in it is damaged.
    """
    return write_pages(read_results(output), output, budget=budget)


def write_pages(results: Results, output: Path, *, budget: int = BUDGET) -> Path:
    """Writes the same for results that have been read."""
    write_text(output / "report.md", rendered("report.md", **context(results)))
    write_text(output / "scores.csv", scores_csv(results, output))
    write_text(output / "means.csv", means_csv(results))
    write_text(output / "index.html", page(results, budget=budget))
    return output / "index.html"


def page(results: Results, *, budget: int = BUDGET) -> str:
    """The page as HTML; nothing in it points outside itself."""
    data, missing = case_data(results, budget=budget)
    return rendered(
        "report.html",
        **context(results),
        data=data,
        missing=missing,
        error_gradient=error_gradient(),
        legend=method_lines(results),
        charts=gap_charts(results),
        open_charts=OPEN_CHARTS,
        time_chart=None if results.headline is None else time_chart(results, results.headline),
        pair_charts=pair_charts(results),
    )


def context(results: Results) -> dict[str, Any]:
    """What the page and its Markdown have in common."""
    items, images, found = results.count()
    first, others = results.comparisons()
    has_found = any(results.means(name, "found") for name in results.methods)
    notes = [
        *(results.summary.get("notes") or []),
        *(
            f"{method['title']}: {note}"
            for method in results.methods.values()
            for note in method.get("notes") or []
        ),
    ]
    missing = results.summary.get("unavailable") or []
    compared = {name for pair in results.pairs for name in pair} or {results.main_method}

    def is_main(entry: dict[str, Any]) -> bool:
        return bool(compared & {entry["first"], entry["second"]})

    return {
        "results": results,
        "count": f"{counted(items, 'item')}, {counted(images, 'image')} per method",
        "items": items,
        "found": found,
        "notes": notes,
        "facts": _difference_facts(results) if results.pairs else _main_facts(results),
        "headline": headline_table(results),
        "headline_found": headline_table(results, "found") if has_found else None,
        "gaps": gap_table(results),
        "speed": speed_ups(results),
        "comparisons": comparison_table(results, first),
        "other_comparisons": comparison_table(results, others),
        "main_comparisons": comparison_table(results, [*first, *filter(is_main, others)]),
        "slices": [table for kind in ("group", "part") if (table := slice_table(results, kind))],
        "extras": [
            extra_table(name, extra)
            for name, extra in (results.summary.get("extras") or {}).items()
        ],
        "unavailable": [
            (metric_title(results.summary, entry["metric"]), entry["why"]) for entry in missing
        ],
        "provenance": provenance(results),
    }


def speed_ups(results: Results) -> str:
    """How many times faster the main method lifts than each that takes more than twice as long."""
    main = results.methods[results.main_method]
    seconds = main.get("seconds")
    factors = {
        other["title"]: other["seconds"] / seconds
        for other in results.methods.values()
        if other is not main and other.get("kind") != "trivial" and seconds and other.get("seconds")
    }
    slower = sorted(
        ((factor, title) for title, factor in factors.items() if factor > 2), reverse=True
    )
    faster = ", ".join(f"{times(factor)} faster than {title}" for factor, title in slower)
    title = heading(main["title"])
    return f"{title}: {duration(seconds)} per lift, {faster}." if slower else ""


def _main_facts(results: Results) -> list[tuple[str, str]]:
    """The headline mean, the time of a lift, and the speed-up over the slowest inversion."""
    facts = []
    name, metric = results.main_method, results.headline
    method = results.methods[name]
    mean = None if metric is None else mean_of(results.means(name), metric)
    if metric is not None and mean is not None:
        about, digits = results.metrics[metric], digits_of(results.metrics[metric])
        ends = f" (95 % interval {interval(mean, digits)})" if interval(mean, digits) else ""
        value = f"{number(mean['mean'], digits)} {about.get('unit') or ''}".strip()
        facts.append((value, f"{about['title']}, {method['title']}{ends}"))
    if method.get("seconds"):
        facts.append((duration(method["seconds"]), f"median time of a lift, {method['title']}"))
    slow = [
        other
        for other in results.methods.values()
        if other.get("kind") == "inversion" and method.get("seconds") and other.get("seconds")
    ]
    if slow:
        slowest = max(slow, key=lambda other: float(other["seconds"]))
        factor = times(slowest["seconds"] / method["seconds"])
        facts.append((factor, f"faster than {slowest['title']} on the same images"))
    return facts


def _difference_facts(results: Results) -> list[tuple[str, str]]:
    """The headline difference of each pair that a merged report compares."""
    facts = []
    for entry in results.comparisons()[0]:
        if (entry["first"], entry["second"]) in results.pairs:
            about = results.metrics[entry["metric"]]
            digits = digits_of(about)
            names = " − ".join(
                results.methods[entry[side]]["title"] for side in ("first", "second")
            )
            difference = number(entry["difference"], digits, signed=True)
            images = entry["wins"] + entry["losses"] + entry["ties"]
            text = (
                f"{about['title']}, {names}; 95 % interval {interval(entry, digits, signed=True)};"
                f" better on {entry['wins']:,} of {images:,} images"
            )
            facts.append((f"{difference} {about.get('unit') or ''}".strip(), text))
    return facts


def rendered(template: str, **values: Any) -> str:
    """A template of this package with its values."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader(__package__),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}
    templates = files(__package__) / "templates"
    environment.globals["asset"] = lambda name: Markup((templates / name).read_text("utf-8"))
    return environment
