"""Quilts for Looking Glass displays: a grid of views, first view bottom left, then right, then up.

Grids and sizes: https://docs.lookingglassfactory.com/keyconcepts/quilts; the view cone of 35° and
its sheared cameras: https://docs.lookingglassfactory.com/keyconcepts/camera.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from .off_axis import Frame


@dataclass(frozen=True)
class Layout:
    """The grid of a display.

    Attributes:
        columns, rows: views.
        width, height: pixels of the published quilt. Ours has whole tiles, and hence is up to
            `rows` − 1 rows of pixels lower (65″: 8190 of 8192).
        aspect: the display's width over its height.
    """

    columns: int
    rows: int
    width: int
    height: int
    aspect: float

    @property
    def tile(self) -> Frame:
        """Of one view."""
        return Frame(self.width // self.columns, self.height // self.rows, self.aspect)

    @property
    def file_name(self) -> str:
        """The name by which programs know the grid, `NAME_qs{columns}x{rows}a{aspect}.png`."""
        return f"head_qs{self.columns}x{self.rows}a{self.aspect:.4g}.png"

    def offsets(self, distance: float, cone_deg: float | int) -> list[float]:
        """Places of the cameras from left to right, in the unit of `distance`, that of the plane
        of convergence: equal steps of the angle at which a point of that plane sees them.
        """
        count = self.columns * self.rows
        angles = [math.radians(cone_deg) * (view / (count - 1) - 0.5) for view in range(count)]
        return [distance * math.tan(angle) for angle in angles]


DISPLAYS = {
    "portrait": Layout(8, 6, 3360, 3360, 3 / 4),
    "go": Layout(11, 6, 4092, 4092, 9 / 16),
    "16in": Layout(7, 7, 5999, 5999, 16 / 9),
    "16in_portrait": Layout(11, 6, 5995, 6000, 9 / 16),
    "32in": Layout(7, 7, 8190, 8190, 16 / 9),
    "32in_portrait": Layout(11, 6, 8184, 8184, 9 / 16),
    "65in": Layout(8, 9, 8192, 8192, 16 / 9),
}
"""By name; 16in and above are landscape unless the name says portrait."""


def layout_named(name: object) -> Layout:
    """The display's.

    Raises:
        ValueError: there is none of this name.
    """
    if str(name) not in DISPLAYS:
        raise ValueError(f"displays.quilt is {name!r}: give one of {', '.join(DISPLAYS)}")
    return DISPLAYS[str(name)]


def quilted(
    views: Iterable[UInt8[np.ndarray, "tile_height tile_width 3"]], layout: Layout
) -> UInt8[np.ndarray, "height width 3"]:
    """The grid of views, which come from left to right.

    Raises:
        ValueError: there are not as many views as tiles.
    """
    tile = layout.tile
    quilt = np.zeros((layout.rows * tile.height, layout.columns * tile.width, 3), np.uint8)
    count = 0
    for count, view in enumerate(views, 1):
        row, column = divmod(count - 1, layout.columns)
        top = (layout.rows - 1 - row) * tile.height
        left = column * tile.width
        quilt[top : top + tile.height, left : left + tile.width] = view
    if count != layout.columns * layout.rows:
        raise ValueError(f"{count} views for {layout.columns} x {layout.rows} tiles")
    return quilt
