"""Dual discrimination (EG3D sec. 3.4): the final image beside the raw rendering, and their matte where there is one."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.stylegan.discriminator import Discriminator


def discriminator_input(
    image: Float[Tensor, "batch 3 height width"],
    image_raw: Float[Tensor, "batch 3 raw_height raw_width"] | None = None,
    opacity: Float[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, "batch channel height width"]:
    """What the discriminator is shown: the image, then the raw image brought to its size, then the matte in [-1, 1].

    Without a super-resolution there is nothing raw to compare with: dual discrimination is off. The matte is an option beyond
    EG3D for data that has one.
    """
    parts = [image]
    if image_raw is not None:
        parts.append(F.interpolate(image_raw, size=image.shape[-2:], mode="bilinear", align_corners=False, antialias=True))
    if opacity is not None:
        parts.append(opacity * 2 - 1)
    return torch.cat(parts, 1)


__all__ = ["Discriminator", "discriminator_input"]
