"""Constant planes in place of an encoder: one identity, found by optimisation."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class StoredPlanes(nn.Module):
    """Returns the same planes for every image.

    So an identity whose planes were optimised is a lifter like any other: it can be saved, read,
        drawn and exported.

    Args:
        plane_channels, plane_resolution: of the planes.
        image_size: side of the images that it takes, as of other encoders.
    """

    def __init__(self, *, plane_channels: int, plane_resolution: int, image_size: int) -> None:
        super().__init__()
        self.image_size = image_size
        planes = torch.zeros(1, 3, plane_channels, plane_resolution, plane_resolution)
        self.planes = nn.Parameter(planes, requires_grad=False)

    def forward(
        self, image: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch 3 channel plane_height plane_width"]:
        """The stored planes, repeated for each image."""
        return self.planes.expand(len(image), -1, -1, -1, -1)
