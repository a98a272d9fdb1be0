"""Charts as inline SVG by matplotlib, in the colours of the page's style sheet."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from typing import TYPE_CHECKING, Any

from .numbers import label
from .results_folder import Results, mean_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORDER = ("c0", "c1", "c4", "c3", "c5", "c6", "c7", "c8", "c2")
"""Colours of the style sheet in the order in which methods get them; the grey one last."""

VARIABLES = ("ink", "soft", "line", *sorted(ORDER))
"""Colours that follow the reader's light or dark theme: CSS variables of the style sheet."""

NOT_TIMED = ("trivial", "ceiling")
"""Kinds of methods whose time of a lift has no meaning."""

DODGE = 0.05
"""Shift between the intervals of two methods, in widths of a yaw gap."""


@dataclass(frozen=True)
class Line:
    """A curve.

    Attributes:
        title: for the legend.
        points: (x, y), in the order of x.
        colour: of the style sheet (c0 … c8).
        intervals: low and high of each point, or nothing.
        is_faint: drawn dashed: a bound instead of a competitor.
    """

    title: str
    points: Sequence[tuple[float, float]]
    colour: str
    intervals: Sequence[tuple[float, float]] = ()
    is_faint: bool = False


@dataclass(frozen=True)
class Chart:
    """An SVG element, and the lines that its legend names."""

    svg: str
    legend: Sequence[Line] = ()


def line_chart(
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> Chart | None:
    """Curves with their intervals; None if no line has a point.

    Args:
        lines: the curves.
        x_label: of the horizontal axis, with its unit.
        y_label: of the vertical axis, with its unit.
        x_ticks: places and texts of the ticks; None: round numbers.
    """
    lines = [line for line in lines if line.points]
    if not lines:
        return None
    figure, axes = _figure(4.3, 3.0, x_label, y_label)
    for line in lines:
        x, y = zip(*line.points, strict=True)
        (curve,) = axes.plot(x, y, color=_placeholder(line.colour), markersize=4.5)
        curve.set(linestyle="--" if line.is_faint else "-", marker="o" if len(x) <= 12 else "")
        if line.intervals:
            low, high = zip(*line.intervals, strict=True)
            axes.vlines(x, low, high, colors=_placeholder(line.colour), linewidth=1.4, alpha=0.5)
    if x_ticks is not None:
        axes.set_xticks([place for place, _ in x_ticks], [text for _, text in x_ticks])
    return _chart(figure, f"{y_label} over {x_label}", lines)


def gap_charts(results: Results) -> list[Chart]:
    """A chart a metric over the yaw gap, the headline's first; none for fewer than two gaps."""
    titles = results.gap_titles()
    if len(titles) < 2:
        return []
    ticks = [
        (float(place), "same" if title == "same view" else title.rstrip("°"))
        for place, title in enumerate(titles)
    ]
    charts = [
        line_chart(
            [_gap_line(results, name, metric, titles) for name in results.methods],
            x_label="yaw gap to the input (°)",
            y_label=label(results.metrics[metric]),
            x_ticks=ticks,
        )
        for metric in sorted(results.metrics, key=lambda name: name != results.headline)
    ]
    return [chart for chart in charts if chart is not None]


def method_lines(results: Results) -> list[Line]:
    """Each method's title and style, without points: the legend of all charts by method."""
    ordered = sorted(results.methods, key=lambda name: name != results.main_method)
    return [
        Line(
            method["title"],
            (),
            ORDER[ordered.index(name) % len(ORDER)],
            is_faint=method.get("kind") in NOT_TIMED,
        )
        for name, method in results.methods.items()
    ]


def time_chart(results: Results, metric: str) -> Chart | None:
    """A metric over the time of a lift (logarithmic); None for fewer than two timed methods."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    styles = dict(zip(results.methods, method_lines(results), strict=True))
    points = [
        (styles[name], float(method["seconds"]), mean)
        for name, method in results.methods.items()
        if method.get("seconds") and method.get("kind") not in NOT_TIMED
        if (mean := mean_of(results.means(name), metric)) is not None
    ]
    if len(points) < 2:
        return None
    y_label = label(results.metrics[metric])
    figure, axes = _figure(7.2, 3.4, "time of one lift (logarithmic)", y_label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_seconds))
    axes.xaxis.set_minor_formatter(NullFormatter())
    for style, seconds, mean in points:
        colour = _placeholder(style.colour)
        axes.plot([seconds], [mean["mean"]], marker="o", markersize=8, color=colour)
        axes.vlines([seconds], *_ends(mean), colors=colour, linewidth=1.6, alpha=0.5)
    axes.margins(x=0.2, y=0.12)
    _name_points(axes, [(style.title, x, mean["mean"]) for style, x, mean in points])
    return _chart(figure, f"{y_label} over the time of one lift")


def pair_charts(results: Results) -> list[Chart]:
    """One method's headline score over another's, image by image, for the pairs of a comparison."""
    if results.headline is None:
        return []
    metric, charts = results.headline, []
    for first, second in results.pairs:
        mine, other = (
            {
                (row["item"], row["view"]): float(row[metric])
                for row in results.rows_of(name)
                if row.get(metric) is not None
            }
            for name in (first, second)
        )
        shared = [key for key in mine if key in other]
        x, y = ([values[key] for key in shared] for values in (other, mine))
        if shared:
            x_label, y_label = (
                f"{results.methods[name]['title']}: {label(results.metrics[metric])}"
                for name in (second, first)
            )
            figure, axes = _figure(4.3, 4.0, x_label, y_label)
            axes.scatter(x, y, s=16, color=_placeholder("c0"), alpha=0.6)
            axes.axline((x[0], x[0]), slope=1, color=_placeholder("soft"), linestyle="--")
            axes.set_aspect("equal", adjustable="datalim")
            charts.append(_chart(figure, f"{y_label} over {x_label}"))
    return charts


def _seconds(seconds: float, _: object) -> str:
    return f"{seconds:g} s" if seconds >= 1 else f"{1000 * seconds:g} ms"


def _gap_line(results: Results, name: str, metric: str, titles: Sequence[str]) -> Line:
    gaps = results.gaps(name)
    means = [
        (place, mean)
        for place, title in enumerate(titles)
        if (mean := mean_of(gaps.get(title), metric)) is not None
    ]
    place = list(results.methods).index(name)
    shift = DODGE * (place - (len(results.methods) - 1) / 2)
    return replace(
        method_lines(results)[place],
        points=[(where + shift, float(mean["mean"])) for where, mean in means],
        intervals=[_ends(mean) for _, mean in means],
    )


def _ends(mean: dict[str, Any]) -> tuple[float, float]:
    low, high = mean.get("low"), mean.get("high")
    centre = float(mean["mean"])
    return (centre if low is None else float(low), centre if high is None else float(high))


def _name_points(axes: "Axes", points: Sequence[tuple[str, float, float]]) -> None:
    """Writes a name beside each point: to the left in the right half, lower where names overlap."""
    middle = sum(axes.transAxes.transform((0.5, 0))[:1])
    taken: list[tuple[bool, float]] = []
    for title, x, y in sorted(points, key=lambda point: -point[2]):
        is_right = axes.transData.transform((x, y))[0] > middle
        height = float(axes.transData.transform((x, y))[1])
        while any(side == is_right and abs(height - other) < 13 for side, other in taken):
            height -= 1
        taken.append((is_right, height))
        shift = (-9.0 if is_right else 9.0, height - float(axes.transData.transform((x, y))[1]))
        axes.annotate(
            title,
            (x, y),
            shift,
            textcoords="offset points",
            color=_placeholder("ink"),
            va="center",
            ha="right" if is_right else "left",
        )


def _figure(width: float, height: float, x_label: str, y_label: str) -> tuple["Figure", "Axes"]:
    """An empty chart; width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=72, layout="constrained")
    axes = figure.add_subplot()
    axes.grid(color=_placeholder("line"), linewidth=0.9)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=_placeholder("soft"), labelsize=10.5)
    axes.set_xlabel(x_label, color=_placeholder("soft"), fontsize=11)
    axes.set_ylabel(y_label, color=_placeholder("ink"), fontsize=11)
    return figure, axes


def _placeholder(colour: str) -> str:
    """A colour that `_chart` replaces by the CSS variable of that name."""
    return f"#0a0b{VARIABLES.index(colour):02x}"


def _chart(figure: "Figure", description: str, legend: Sequence[Line] = ()) -> Chart:
    """The figure as an SVG element for an HTML page: text stays text, nothing points outside."""
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "trilift", "svg.fonttype": "none"}):
        no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", transparent=True, metadata=no_metadata)
    head, _, body = text.getvalue().partition("<svg ")[2].partition(">")
    box = re.search(r'viewBox="[^"]*"', head)
    assert box is not None
    body = re.sub(r"(?s)<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", body)
    body = re.sub(r'font-family: [^;]*; | transform="rotate\(-0 [^"]*"', "", body)
    shorter = partial(re.sub, r"(\.\d\d)\d+", r"\1")
    body = re.sub(r' (?:d|x|y)="[^"]*"', lambda place: shorter(place[0]), body)
    used = set(re.findall(r'#([\w-]+)["\)]', body))
    body = re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", body)
    for name in VARIABLES:
        body = body.replace(_placeholder(name), f"var(--{name})")
    body = re.sub(r"\n\s*", "\n", body)
    return Chart(
        f'<svg {box[0]} role="img" aria-label="{escape(description)}">{body.strip()}', legend
    )
