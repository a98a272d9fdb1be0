"""Which square of a photograph the student sees."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.pictures import from_uint8


@dataclass(frozen=True)
class Crop:
    """A square in pixels of the upright photograph; fractions are allowed."""

    left: int | float
    top: int | float
    size: int | float

    @classmethod
    def centre(cls, width: int, height: int) -> "Crop":
        """The largest square in the middle."""
        size = min(width, height)
        return cls((width - size) / 2, (height - size) / 2, size)

    @classmethod
    def of(cls, numbers: Any) -> "Crop":
        """From what a configuration says; ValueError unless it is [left, top, size] with a positive size."""
        if not isinstance(numbers, list) or len(numbers) != 3 or not all(_is_number(number) for number in numbers):
            raise ValueError(f"crop is {numbers!r}: give crop=[left,top,size], three numbers of pixels")
        left, top, size = numbers
        if not size > 0:
            raise ValueError(f"a crop of size {size} holds no picture: give a positive number of pixels")
        return cls(left, top, size)

    def cut(self, photograph: Image.Image, resolution: int) -> Float[Tensor, "3 resolution resolution"]:
        """The square at the given resolution, in [-1, 1], antialiased.

        Raises:
            ValueError: it reaches outside the photograph.
        """
        width, height = photograph.size
        box = (self.left, self.top, self.left + self.size, self.top + self.size)
        if min(self.left, self.top) < 0 or box[2] > width or box[3] > height:
            described = f"{self.left:g},{self.top:g} to {box[2]:g},{box[3]:g}"
            raise ValueError(f"the crop {described} reaches outside the {width}x{height} picture: move or shrink it")
        resized = photograph.resize((resolution, resolution), Image.Resampling.BICUBIC, box=box)
        return from_uint8(np.array(resized))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
