"""Line charts as inline SVG: colours come from the page's style sheet, so that they follow light
and dark.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 340, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 12, 40


@dataclass(frozen=True)
class Line:
    """A named curve; `style` is a class of the style sheet (c0 … c5); `intervals`, if any, are the
    low and high of each point.
    """

    title: str
    points: Sequence[tuple[float, float]]
    style: str
    intervals: Sequence[tuple[float, float]] = ()


def line_chart(
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> str:
    """An SVG element with its legend below, or nothing if no line has a point.

    Args:
        lines: the curves.
        x_label, y_label: what the axes are.
        x_ticks: where to write what below the x axis; none: round numbers.
    """
    drawn = [line for line in lines if line.points]
    if not drawn:
        return ""
    xs, ys = ([point[axis] for line in drawn for point in line.points] for axis in (0, 1))
    ys += [end for line in drawn for interval in line.intervals for end in interval]
    x_range, y_range = padded(min(xs), max(xs), 0.0), padded(min(ys), max(ys), 0.06)
    parts = [_y_axis(y_range), _x_axis(x_range, x_ticks)]
    parts += [_curve(line, x_range, y_range) for line in drawn]
    parts.append(
        f'<text class="axis" x="{(WIDTH + LEFT) / 2:.0f}" y="{HEIGHT - 4}"'
        f' text-anchor="middle">{escape(x_label)}</text>'
    )
    label = escape(f"{y_label} over {x_label}")
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{label}">{"".join(parts)}</svg>'
    )
    legend = "".join(
        f'<span><i class="{line.style}"></i>{escape(line.title)}</span>' for line in drawn
    )
    return (
        f'<figure class="chart"><figcaption>{escape(y_label)}</figcaption>{svg}<div'
        f' class="legend">{legend}</div></figure>'
    )


def _curve(line: Line, x_range: tuple[float, float], y_range: tuple[float, float]) -> str:
    places = [(_x(x, x_range), _y(y, y_range)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = (
        "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3"/>' for x, y in places)
        if len(places) <= 12
        else ""
    )
    ends = [(_y(low, y_range), _y(high, y_range)) for low, high in line.intervals]
    bars = "".join(
        f'<path class="bar" d="M{x:.1f} {low:.1f}V{high:.1f}"/>'
        for (x, _), (low, high) in zip(places, ends, strict=False)
    )
    return (
        f'<g class="{line.style}"><title>{escape(line.title)}</title>{bars}<polyline'
        f' points="{path}"/>{dots}</g>'
    )


def _y_axis(y_range: tuple[float, float]) -> str:
    parts = []
    for value in round_numbers(*y_range):
        y = _y(value, y_range)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="axis" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    return "".join(parts)


def _x_axis(x_range: tuple[float, float], ticks: Sequence[tuple[float, str]] | None) -> str:
    shown = ticks or [(value, f"{value:g}") for value in round_numbers(*x_range)]
    return "".join(
        f'<text class="axis" x="{_x(value, x_range):.1f}" y="{HEIGHT - BOTTOM + 18}"'
        f' text-anchor="middle">{escape(text)}</text>'
        for value, text in shown
    )


def round_numbers(low: float, high: float) -> list[float]:
    """About five round numbers between two."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = min(
        (power * factor for factor in (1, 2, 5, 10)), key=lambda candidate: abs(candidate - rough)
    )
    return [
        round(step * number, 10)
        for number in range(math.ceil(low / step), math.floor(high / step) + 1)
    ]


def padded(low: float, high: float, share: float) -> tuple[float, float]:
    """Limits of an axis: a share of the range beyond both ends; a range where there is none."""
    spread = (high - low) or max(abs(high), 1.0) * 0.1
    return low - share * spread, low + spread + share * spread


def _x(value: float, limits: tuple[float, float]) -> float:
    return LEFT + (value - limits[0]) / (limits[1] - limits[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, limits: tuple[float, float]) -> float:
    return HEIGHT - BOTTOM - (value - limits[0]) / (limits[1] - limits[0]) * (HEIGHT - TOP - BOTTOM)
