"""Pixel coordinates as image channels.

Convolutions are translation-equivariant, but the canonical planes depend on absolute position.
"""

import torch
from jaxtyping import Float
from torch import Tensor


def pixel_coordinates(height: int, width: int, like: Tensor) -> Float[Tensor, "2 height width"]:
    """Coordinates of pixel centres, x (right) and y (down) in [-1, 1].

    Device and dtype are those of `like`.
    """
    x = (torch.arange(width, device=like.device, dtype=like.dtype) + 0.5) * (2 / width) - 1
    y = (torch.arange(height, device=like.device, dtype=like.dtype) + 0.5) * (2 / height) - 1
    return torch.stack([x[None].expand(height, width), y[:, None].expand(height, width)])


def append_coordinates(
    image: Float[Tensor, "batch 3 height width"],
) -> Float[Tensor, "batch 5 height width"]:
    """RGB + x, y: the input of both branches of the encoder (LP3D supp. A2)."""
    batch, _, height, width = image.shape
    coordinates = pixel_coordinates(height, width, image).expand(batch, 2, height, width)
    return torch.cat([image, coordinates], 1)
