"""The Pareto front of a sweep: quality against lift time and encoder size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

FRONT, DOMINATED, INK, GRID = "#1f6f8b", "#b8b8b8", "#222222", "#e6e6e6"
LARGEST_AREA, SMALLEST_AREA = 900.0, 40.0
"""Of a disc, in square points."""


@dataclass(frozen=True)
class Point:
    """One setting of a sweep.

    Attributes:
        title: what varies in it.
        quality: mean score over its seeds.
        deviation: standard deviation over its seeds; None for a single seed.
        lift_ms: milliseconds of one lift.
        parameters: of the encoder.
    """

    title: str
    quality: float
    deviation: float | None
    lift_ms: float
    parameters: float

    def dominates(self, other: "Point", *, more_is_better: bool) -> bool:
        """At least as good in quality, time and size, and better in one of them."""
        mine, others = self._costs(more_is_better), other._costs(more_is_better)
        return mine != others and all(a <= b for a, b in zip(mine, others, strict=True))

    def _costs(self, more_is_better: bool) -> tuple[float, float, float]:
        return (-self.quality if more_is_better else self.quality, self.lift_ms, self.parameters)


def front(points: Sequence[Point], *, more_is_better: bool = True) -> list[Point]:
    """The points that no other point dominates."""
    return [
        point
        for point in points
        if not any(other.dominates(point, more_is_better=more_is_better) for other in points)
    ]


def pareto_picture(
    points: Sequence[Point], *, quality: str, more_is_better: bool = True
) -> UInt8[np.ndarray, "height width 3"]:
    """Quality over milliseconds; a disc's area is its parameters, whiskers are ± one standard
    deviation, the front is coloured.

    Args:
        points: at least one; the picture numbers them in this order.
        quality: the name of the vertical axis.
        more_is_better: of the quality.
    """
    assert points, "there is nothing to draw"
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, max(4.2, 0.6 + 0.34 * len(points))), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes, key = figure.subplots(1, 2, width_ratios=(5, 4))
    axes.set_xlabel("time of one lift (ms); area: parameters")
    axes.set_ylabel(f"{quality} ({'more' if more_is_better else 'less'} is better)")
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(0.15)
    key.set_axis_off()
    best = front(points, more_is_better=more_is_better)
    largest = max(point.parameters for point in points)
    for number, point in enumerate(points, 1):
        colour = FRONT if point in best else DOMINATED
        area = max(SMALLEST_AREA, LARGEST_AREA * point.parameters / largest)
        place = (point.lift_ms, point.quality)
        axes.errorbar(*place, yerr=point.deviation, color=INK, linewidth=1, zorder=4)
        axes.scatter(*place, s=area, color=colour, edgecolors="white", zorder=3)
        offset = (area**0.5 / 2 + 3, 0)
        axes.annotate(str(number), place, offset, textcoords="offset points", va="center")
        top = 1 - 0.34 * (number - 1) / figure.get_figheight()
        text = {"transform": key.transAxes, "va": "top", "fontsize": 8.5}
        title = point.title if len(point.title) <= 52 else f"{point.title[:51]}…"
        key.text(0, top, f"{number}  {title}", color=FRONT if point in best else INK, **text)
        key.text(0, top, f"\n     {_numbers(point)}", color="#666666", **text)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _numbers(point: Point) -> str:
    deviation = f" ± {point.deviation:.2g}" if point.deviation else ""
    size = f"{point.parameters / 1e6:.2f} M parameters"
    return f"{point.quality:.4g}{deviation} · {point.lift_ms:.3g} ms · {size}"
