"""Images and maps at another size."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def resized(
    image: Float[Tensor, "batch 3 height width"], size: int
) -> Float[Tensor, "batch 3 size size"]:
    """Images in [-1, 1] by bicubic interpolation with antialiasing; unchanged at the same size."""
    if image.shape[-2:] == (size, size):
        return image
    return F.interpolate(
        image, size=(size, size), mode="bicubic", align_corners=False, antialias=True
    ).clamp(-1, 1)


def nearest_to_side(
    values: Float[Tensor, "view channel height width"], side: int
) -> Float[Tensor, "view channel side side"]:
    """Depths, masks and other values that can't be averaged: the nearest pixel's."""
    if values.shape[-2:] == (side, side):
        return values
    return F.interpolate(values, size=(side, side), mode="nearest-exact")
