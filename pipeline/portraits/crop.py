"""A square of a photograph, possibly rotated, and its resampling."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.pictures import from_uint8
from teachers.plain_values import is_number

MOST_SUPERSAMPLING = 8
"""A rotated square is drawn at most this many times larger than the result; a larger photograph is
reduced before.
"""


@dataclass(frozen=True)
class Crop:
    """A square in pixels of the upright photograph; fractions are allowed.

    Attributes:
        left, top, size: before the rotation.
        roll_deg: rotation about the square's middle, degrees, clockwise in the photograph.
    """

    left: int | float
    top: int | float
    size: int | float
    roll_deg: int | float = 0.0

    @classmethod
    def centre(cls, width: int, height: int) -> "Crop":
        """The largest square in the middle."""
        size = min(width, height)
        return cls((width - size) / 2, (height - size) / 2, size)

    @classmethod
    def about(
        cls, middle: tuple[float, float], size: int | float, roll_deg: int | float = 0.0
    ) -> "Crop":
        """The square of a size about a point."""
        return cls(middle[0] - size / 2, middle[1] - size / 2, size, roll_deg)

    @classmethod
    def of(cls, numbers: Any) -> "Crop":
        """From a configuration's value; ValueError unless that is [left, top, size], size > 0."""
        if (
            not isinstance(numbers, list)
            or len(numbers) != 3
            or not all(is_number(number) for number in numbers)
        ):
            raise ValueError(
                f"crop is {numbers!r}: give crop=[left,top,size], three numbers of pixels"
            )
        left, top, size = numbers
        if not size > 0:
            raise ValueError(
                f"a crop of size {size} holds no picture: give a positive number of pixels"
            )
        return cls(left, top, size)

    def resized(self, before: tuple[int, int], after: tuple[int, int]) -> "Crop":
        """The same square in a copy of the photograph whose sides became `after`; one that reached
        nowhere outside still doesn't, whatever the sides were rounded to.
        """
        if before == after:
            return self
        scale = np.array(after) / np.array(before)
        x, y = (self._middle() * scale).tolist()
        moved = Crop.about((x, y), self.size * float(scale.min()), self.roll_deg)
        if self.roll_deg != 0 or not self._is_inside(*before):
            return moved
        size = min(moved.size, *after)
        left, top = (
            min(max(start, 0.0), side - size)
            for start, side in zip((moved.left, moved.top), after, strict=True)
        )
        return Crop(left, top, size)

    def corners(self) -> Float[np.ndarray, "4 2"]:
        """Top left, top right, bottom right, bottom left, pixels of the photograph."""
        return self.from_square(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))

    def from_square(self, positions: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "point 2"]:
        """Positions in the square ([0, 1], u right, v down) → pixels of the photograph."""
        return (positions - 0.5) * self.size @ self._turn().T + self._middle()

    def to_square(self, pixels: Float[np.ndarray, "point 2"]) -> Float[np.ndarray, "point 2"]:
        """Pixels of the photograph → positions in the square."""
        return (pixels - self._middle()) @ self._turn() / self.size + 0.5

    def outside(self, width: int, height: int) -> float:
        """The share of the square's area outside a photograph of that size, in [0, 1] (counted on a
        grid of 64²).
        """
        steps = (np.arange(64) + 0.5) / 64
        x, y = self.from_square(np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)).T
        return float(((x < 0) | (y < 0) | (x > width) | (y > height)).mean())

    def cut(
        self,
        photograph: Image.Image,
        resolution: int,
        *,
        outside: Literal["refuse", "mirror", "repeat"] = "refuse",
    ) -> Float[Tensor, "3 resolution resolution"]:
        """The square at the given resolution, in [-1, 1], antialiased.

        Args:
            photograph: 8-bit RGB.
            resolution: side of the result.
            outside: beyond the edges the photograph is mirrored, its edge pixels are repeated, or a
                square there is an error.

        Raises:
            ValueError: the square reaches outside and `outside` is "refuse".
        """
        width, height = photograph.size
        box = (self.left, self.top, self.left + self.size, self.top + self.size)
        if self.roll_deg == 0 and self._is_inside(width, height):
            resized = photograph.resize((resolution, resolution), Image.Resampling.BICUBIC, box=box)
            return from_uint8(np.array(resized))
        if outside == "refuse":
            described = f"{self.left:g},{self.top:g} to {box[2]:g},{box[3]:g}"
            raise ValueError(
                f"the crop {described} reaches outside the {width}x{height} picture: move or"
                " shrink it"
            )
        return from_uint8(np.array(self._turned(photograph, resolution, outside)))

    def _turned(
        self, photograph: Image.Image, resolution: int, outside: Literal["mirror", "repeat"]
    ) -> Image.Image:
        """Resampled at a whole multiple of the resolution (bicubic), then reduced (Lanczos): a
        rotation alone would alias.
        """
        if self.size > MOST_SUPERSAMPLING * resolution:
            factor = math.floor(self.size / (MOST_SUPERSAMPLING * resolution / 2))
            smaller = photograph.reduce(factor)
            scale = smaller.width / photograph.width, smaller.height / photograph.height
            middle = self._middle() * scale
            return Crop.about(
                (float(middle[0]), float(middle[1])), self.size * scale[0], self.roll_deg
            )._turned(smaller, resolution, outside)
        patch, offset = _patch(photograph, self.corners(), outside)
        side = resolution * max(1, math.ceil(self.size / resolution))
        columns = self._turn() * (self.size / side)
        start = self.corners()[0] - offset
        affine = (columns[0, 0], columns[0, 1], start[0], columns[1, 0], columns[1, 1], start[1])
        drawn = patch.transform(
            (side, side),
            Image.Transform.AFFINE,
            tuple(map(float, affine)),
            Image.Resampling.BICUBIC,
        )
        return drawn.resize((resolution, resolution), Image.Resampling.LANCZOS)

    def _is_inside(self, width: int, height: int) -> bool:
        """Before the rotation."""
        right, bottom = self.left + self.size, self.top + self.size
        return bool(min(self.left, self.top) >= 0 and right <= width and bottom <= height)

    def _middle(self) -> Float[np.ndarray, "2"]:
        return np.array([self.left + self.size / 2, self.top + self.size / 2], dtype=np.float64)

    def _turn(self) -> Float[np.ndarray, "2 2"]:
        angle = math.radians(self.roll_deg)
        return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _patch(
    photograph: Image.Image, corners: Float[np.ndarray, "4 2"], outside: Literal["mirror", "repeat"]
) -> tuple[Image.Image, Float[np.ndarray, "2"]]:
    """The part of the photograph about the corners with a margin, mirrored at the edges as often as
    needed or continued by the edge pixels, and its top left corner in pixels.
    """
    first = np.floor(corners.min(0)).astype(int) - 3
    last = np.ceil(corners.max(0)).astype(int) + 3
    columns, rows = (
        _reflected(indices, size) if outside == "mirror" else indices.clip(0, size - 1)
        for indices, size in (
            (np.arange(first[0], last[0]), photograph.width),
            (np.arange(first[1], last[1]), photograph.height),
        )
    )
    return Image.fromarray(np.asarray(photograph)[rows[:, None], columns[None]]), first.astype(
        np.float64
    )


def _reflected(indices: np.ndarray, size: int) -> np.ndarray:
    phase = indices % (2 * size)
    return np.minimum(phase, 2 * size - 1 - phase)
