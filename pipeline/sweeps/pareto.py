"""Quality against time against size: which settings no other one beats, as a picture."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from pipeline.evaluation.report.chart import round_numbers

WIDTH, PLOT_WIDTH, HEIGHT = 900, 520, 420
LEFT, TOP, BOTTOM = 70, 34, 56
OVERSAMPLING = 2
LARGEST_RADIUS, SMALLEST_RADIUS = 22.0, 5.0
FRONT, BEATEN, INK, GRID = "#1f6f8b", "#b8b8b8", "#222222", "#e6e6e6"

Place = tuple[float | int, float | int]
"""x, y in pixels."""


@dataclass(frozen=True)
class Point:
    """A setting: its quality with its deviation (None: unknown), milliseconds of one lift,
    parameters.
    """

    title: str
    quality: float
    deviation: float | None
    lift_ms: float
    parameters: float

    def beats(self, other: "Point", *, more_is_better: bool) -> bool:
        """At least as good in all three, better in one."""
        mine, others = self._costs(more_is_better), other._costs(more_is_better)
        return mine != others and all(a <= b for a, b in zip(mine, others, strict=True))

    def _costs(self, more_is_better: bool) -> tuple[float, float, float]:
        return (-self.quality if more_is_better else self.quality, self.lift_ms, self.parameters)


def front(points: Sequence[Point], *, more_is_better: bool = True) -> list[Point]:
    """The points that no other one beats."""
    return [
        point
        for point in points
        if not any(other.beats(point, more_is_better=more_is_better) for other in points)
    ]


def pareto_picture(
    points: Sequence[Point], *, quality: str, more_is_better: bool = True
) -> UInt8[np.ndarray, "height width 3"]:
    """Quality over milliseconds; a disc's area is its parameters, whiskers are ± one deviation, the
    front is coloured.

    Args:
        points: at least one; their numbers in the picture are their places here.
        quality: the name of the vertical axis.
        more_is_better: of the quality.
    """
    assert points, "a picture of nothing"
    canvas = _Canvas(points, len(points))
    canvas.axes(quality, more_is_better)
    best = front(points, more_is_better=more_is_better)
    largest = max(point.parameters for point in points)
    for point in sorted(points, key=lambda point: -point.parameters):
        canvas.disc(point, _radius(point, largest), FRONT if point in best else BEATEN)
    for number, point in enumerate(points, 1):
        canvas.label(number, point, _radius(point, largest))
        canvas.legend(number, point, point in best)
    return canvas.pixels()


class _Canvas:
    """Drawn large and reduced, which smooths edges."""

    def __init__(self, points: Sequence[Point], lines: int) -> None:
        spread = [point.deviation or 0.0 for point in points]
        self.x_range = _padded([point.lift_ms for point in points], 0.15)
        self.y_range = _padded(
            [
                point.quality + sign * wide
                for point, wide in zip(points, spread, strict=True)
                for sign in (-1, 1)
            ],
            0.15,
        )
        self.height = max(HEIGHT, TOP + 34 * lines + 44)
        self.image = Image.new("RGB", (WIDTH * OVERSAMPLING, self.height * OVERSAMPLING), "white")
        self.draw = ImageDraw.Draw(self.image)

    def axes(self, quality: str, more_is_better: bool) -> None:
        bottom = self.height - BOTTOM
        for value in round_numbers(*self.y_range):
            y = self._y(value)
            self._line([(LEFT, y), (PLOT_WIDTH, y)], GRID, 1)
            self._text((LEFT - 8, y), f"{value:g}", "rm")
        for value in round_numbers(*self.x_range):
            x = self._x(value)
            self._line([(x, TOP), (x, bottom)], GRID, 1)
            self._text((x, bottom + 8), f"{value:g}", "ma")
        self._line([(LEFT, TOP), (LEFT, bottom), (PLOT_WIDTH, bottom)], INK, 1)
        self._text(
            (LEFT, TOP - 10), f"{quality} ({'more' if more_is_better else 'less'} is better)", "ls"
        )
        self._text(
            ((LEFT + PLOT_WIDTH) / 2, bottom + 28),
            "milliseconds of one lift (area: parameters)",
            "ma",
        )

    def disc(self, point: Point, radius: float, colour: str) -> None:
        x, y = self._x(point.lift_ms), self._y(point.quality)
        if point.deviation:
            low, high = (
                self._y(point.quality - point.deviation),
                self._y(point.quality + point.deviation),
            )
            self._line([(x, low), (x, high)], INK, 1)
        box = [side * OVERSAMPLING for side in (x - radius, y - radius, x + radius, y + radius)]
        self.draw.ellipse(box, fill=colour, outline="white", width=OVERSAMPLING)

    def label(self, number: int, point: Point, radius: float) -> None:
        self._text((self._x(point.lift_ms) + radius + 4, self._y(point.quality)), str(number), "lm")

    def legend(self, number: int, point: Point, is_front: bool) -> None:
        top = TOP + 34 * (number - 1)
        spread = f" ± {point.deviation:.2g}" if point.deviation else ""
        self._text(
            (PLOT_WIDTH + 24, top),
            f"{number}  {_cut(point.title, 52)}",
            "la",
            FRONT if is_front else INK,
        )
        detail = (
            f"{point.quality:.4g}{spread} · {point.lift_ms:.3g} ms · {point.parameters / 1e6:.2f} M"
        )
        self._text((PLOT_WIDTH + 24, top + 15), f"     {detail}", "la", "#666666")

    def pixels(self) -> UInt8[np.ndarray, "height width 3"]:
        return np.asarray(self.image.resize((WIDTH, self.height), Image.Resampling.LANCZOS))

    def _x(self, value: float) -> float:
        low, high = self.x_range
        return LEFT + (value - low) / (high - low) * (PLOT_WIDTH - LEFT)

    def _y(self, value: float) -> float:
        low, high = self.y_range
        return self.height - BOTTOM - (value - low) / (high - low) * (self.height - BOTTOM - TOP)

    def _line(self, places: Sequence[Place], colour: str, width: int) -> None:
        self.draw.line(
            [(x * OVERSAMPLING, y * OVERSAMPLING) for x, y in places],
            fill=colour,
            width=width * OVERSAMPLING,
        )

    def _text(self, place: Place, text: str, anchor: str, colour: str = INK) -> None:
        font = ImageFont.load_default(12 * OVERSAMPLING)
        self.draw.text(
            (place[0] * OVERSAMPLING, place[1] * OVERSAMPLING),
            text,
            fill=colour,
            font=font,
            anchor=anchor,
        )


def _radius(point: Point, largest: float) -> float:
    return max(SMALLEST_RADIUS, LARGEST_RADIUS * math.sqrt(point.parameters / largest))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _padded(values: Sequence[float], share: float) -> tuple[float, float]:
    spread = (max(values) - min(values)) or abs(values[0]) * 0.2 or 1.0
    return min(values) - share * spread, max(values) + share * spread
