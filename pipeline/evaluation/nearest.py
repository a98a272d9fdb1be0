"""Depths, masks and other values that must not be mixed, at another size."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def nearest_to_side(
    values: Float[Tensor, "picture channel height width"], side: int
) -> Float[Tensor, "picture channel side side"]:
    """The value of the nearest pixel; as they are where they have that size."""
    return (
        values
        if values.shape[-2:] == (side, side)
        else F.interpolate(values, size=(side, side), mode="nearest-exact")
    )
