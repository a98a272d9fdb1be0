"""The tiles of a triplane's channels in one picture; each channel keeps its place."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt16

LARGEST_SIDE = 8192
"""Of a picture: SVT-AV1 refuses more than 8704, x264 and Chromium's VP9 more than 16,384."""

MOST_TILES = 1024
SIDES = range(8, 1025)


@dataclass(frozen=True)
class Grid:
    """`tiles` squares of `side` texels, row by row, in `columns` columns; the picture's sides are
    even. Missing tiles of the last row are grey.
    """

    tiles: int
    side: int

    def __post_init__(self) -> None:
        if not 3 <= self.tiles <= MOST_TILES or self.side not in SIDES or self.side % 2:
            raise ValueError(
                f"{self.tiles} tiles of {self.side}²: a grid has 3 to {MOST_TILES} tiles with an"
                f" even side of {SIDES[0]} to {SIDES[-1]}"
            )
        if max(self.width, self.height) > LARGEST_SIDE:
            raise ValueError(
                f"{self.tiles} tiles of {self.side}² make a picture of {self.width}x{self.height}:"
                f" no codec here takes sides above {LARGEST_SIDE}"
            )

    @property
    def columns(self) -> int:
        """Sixteen where planes have 32 channels: 4096 x 1536 for 96 tiles of 256²."""
        return next((n for n in (16, 12, 8, 6, 4) if self.tiles % n == 0), 16)

    @property
    def rows(self) -> int:
        """Of tiles."""
        return -(-self.tiles // self.columns)

    @property
    def width(self) -> int:
        """Of the picture."""
        return self.columns * self.side

    @property
    def height(self) -> int:
        """Of the picture."""
        return self.rows * self.side

    def picture(
        self, levels: UInt16[np.ndarray, "tile side side"]
    ) -> UInt16[np.ndarray, "height width"]:
        """Tiles → picture; ValueError for other tiles than the grid's."""
        if levels.shape != (self.tiles, self.side, self.side):
            raise ValueError(f"tiles {levels.shape} came for a grid of {self.tiles} x {self.side}²")
        missing = self.rows * self.columns - self.tiles
        if missing:
            grey = np.full((missing, self.side, self.side), 512, levels.dtype)
            levels = np.concatenate([levels, grey])
        shape = self.rows, self.columns, self.side, self.side
        return np.ascontiguousarray(
            levels.reshape(shape).swapaxes(1, 2).reshape(self.height, self.width)
        )

    def levels(
        self, picture: UInt16[np.ndarray, "height width"]
    ) -> UInt16[np.ndarray, "tile side side"]:
        """The inverse of `picture`."""
        shape = self.rows, self.side, self.columns, self.side
        tiles = picture.reshape(shape).swapaxes(1, 2).reshape(-1, self.side, self.side)
        return np.ascontiguousarray(tiles[: self.tiles])
