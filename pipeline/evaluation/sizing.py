"""Pictures and what belongs to them brought to another size."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def to_side(images: Float[Tensor, "picture channel height width"], side: int | None) -> Float[Tensor, "picture channel side side"]:
    """Pictures in [-1, 1] at another size, antialiased; as they are where they have that size, or None is asked for."""
    if side is None or images.shape[-2:] == (side, side):
        return images
    return F.interpolate(images, size=(side, side), mode="bicubic", align_corners=False, antialias=True).clamp(-1, 1)


def nearest_to_side(values: Float[Tensor, "picture channel height width"], side: int) -> Float[Tensor, "picture channel side side"]:
    """Depths, masks and other values that must not be mixed, at another size."""
    return values if values.shape[-2:] == (side, side) else F.interpolate(values, size=(side, side), mode="nearest-exact")
