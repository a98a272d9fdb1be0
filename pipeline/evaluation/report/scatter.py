"""Points with names beside them, as inline SVG: what something reaches over the seconds that it
takes, or one score over another.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from .chart import padded, round_numbers

WIDTH, HEIGHT = 520, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 24, 14, 42
TEXT_HEIGHT = 14
LETTER_WIDTH = 6.6
DOT = 6.0


@dataclass(frozen=True)
class Point:
    """A named point; `interval` is the low and high of y, `style` a class of the style sheet."""

    title: str
    x: float
    y: float
    style: str
    interval: tuple[float, float] | None = None


def speed_chart(points: Sequence[Point], *, y_label: str) -> str:
    """Quality over seconds (a logarithmic axis) as a figure; empty without a point."""
    drawn = [point for point in points if point.x > 0]
    if not drawn:
        return ""
    powers = range(
        math.floor(math.log10(min(point.x for point in drawn))),
        math.ceil(math.log10(max(point.x for point in drawn)) + 1e-9) + 1,
    )
    x_range = (float(powers[0]), float(max(powers[-1], powers[0] + 1)))
    ends = [end for point in drawn for end in point.interval or (point.y, point.y)]
    y_range = padded(min(ends), max(ends), 0.08)
    places = [(_x(math.log10(point.x), x_range), _y(point.y, y_range)) for point in drawn]
    ticks = [(_x(float(power), x_range), _seconds(power)) for power in powers]
    marks = [_mark(point, place, y_range) for point, place in zip(drawn, places, strict=True)]
    names = _names([point.title for point in drawn], places)
    return _figure(
        f"{y_label} over seconds for one lift",
        [_grid(ticks, y_range), *marks, names, _x_label("one lift takes (logarithmic)")],
        y_label,
    )


def pair_chart(points: Sequence[Point], *, x_label: str, y_label: str) -> str:
    """One score over another for the same things, with the line of equality; empty without a point."""
    if not points:
        return ""
    both = [value for point in points for value in (point.x, point.y)]
    limits = padded(min(both), max(both), 0.04)
    ticks = [(_x(value, limits), f"{value:g}") for value in round_numbers(*limits)]
    corners = [(_x(value, limits), _y(value, limits)) for value in limits]
    line = (
        f'<path class="equal" d="M{corners[0][0]:.1f} {corners[0][1]:.1f}L{corners[1][0]:.1f}'
        f' {corners[1][1]:.1f}"/>'
    )
    dots = "".join(
        f'<circle class="{point.style} dot" cx="{_x(point.x, limits):.1f}"'
        f' cy="{_y(point.y, limits):.1f}" r="3.2"><title>{escape(point.title)}</title></circle>'
        for point in points
    )
    return _figure(
        f"{y_label} over {x_label}", [_grid(ticks, limits), line, dots, _x_label(x_label)], y_label
    )


def _figure(label: str, parts: Sequence[str], caption: str) -> str:
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
    return f'<figure class="chart"><figcaption>{escape(caption)}</figcaption>{svg}</figure>'


def _grid(ticks: Sequence[tuple[float, str]], y_range: tuple[float, float]) -> str:
    parts = []
    for value in round_numbers(*y_range):
        y = _y(value, y_range)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(
            f'<text class="axis" x="{LEFT - 7}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>'
        )
    for x, text in ticks:
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        parts.append(
            f'<text class="axis" x="{x:.1f}" y="{HEIGHT - BOTTOM + 17}"'
            f' text-anchor="middle">{escape(text)}</text>'
        )
    return "".join(parts)


def _x_label(text: str) -> str:
    return (
        f'<text class="axis" x="{(WIDTH + LEFT - RIGHT) / 2:.0f}" y="{HEIGHT - 5}"'
        f' text-anchor="middle">{escape(text)}</text>'
    )


def _mark(point: Point, place: tuple[float, float], y_range: tuple[float, float]) -> str:
    x, y = place
    bar = ""
    if point.interval is not None:
        bar = (
            f'<path class="bar" d="M{x:.1f}'
            f' {_y(point.interval[0], y_range):.1f}V{_y(point.interval[1], y_range):.1f}"/>'
        )
    return (
        f'<g class="{point.style}"><title>{escape(point.title)}</title>{bar}<circle cx="{x:.1f}"'
        f' cy="{y:.1f}" r="5"/></g>'
    )


def _seconds(power: int) -> str:
    return f"{10.0**power:g} s" if power >= 0 else f"{10.0 ** (power + 3):g} ms"


def _names(titles: Sequence[str], places: Sequence[tuple[float, float]]) -> str:
    """A name beside each point, on the side with room, moved down where it would lie on another."""
    taken = [(x - DOT, x + DOT, y + 4) for x, y in places]
    parts = []
    for title, (x, y) in sorted(zip(titles, places, strict=True), key=lambda named: named[1][1]):
        width = LETTER_WIDTH * len(title)
        to_right = x + 10 + width < WIDTH - RIGHT
        start = x + 10 if to_right else x - 10 - width
        height = y + 4
        while any(
            abs(height - other) < TEXT_HEIGHT and start < end and begin < start + width
            for begin, end, other in taken
        ):
            height += 2
        taken.append((start, start + width, height))
        anchor = ("start", x + 10) if to_right else ("end", x - 10)
        parts.append(
            f'<text class="name" x="{anchor[1]:.1f}" y="{height:.1f}"'
            f' text-anchor="{anchor[0]}">{escape(title)}</text>'
        )
    return "".join(parts)


def _x(value: float, limits: tuple[float, float]) -> float:
    return LEFT + (value - limits[0]) / (limits[1] - limits[0]) * (WIDTH - LEFT - RIGHT)


def _y(value: float, limits: tuple[float, float]) -> float:
    return HEIGHT - BOTTOM - (value - limits[0]) / (limits[1] - limits[0]) * (HEIGHT - TOP - BOTTOM)
