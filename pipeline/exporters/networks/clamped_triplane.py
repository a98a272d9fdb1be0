"""A triplane for other runtimes: 2-D look-ups with coordinates that are always finite.

At coordinates that aren't, GridSample gives NaN or 0 in torch and OpenVINO, and the feature of some
texel in ONNX Runtime. OpenVINO has no 3-D GridSample at all.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.triplane import Triplane, third_axis

OUTSIDE = 2.0
"""A coordinate, in half boxes, at which every feature is 0."""


@dataclass(frozen=True)
class ClampedTriplane(Triplane):
    """A `Triplane` whose `sample` any runtime computes; what isn't finite lies outside."""

    def sample(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point channel"]:
        """See `Triplane.sample`."""
        places = points * (2 / self.box_size)
        # false for NaN, so that it is replaced, too
        places = torch.where(places.abs() < OUTSIDE, places, OUTSIDE)
        found = [self._of_plane(number, places) for number in range(3)]
        return self._aggregated(torch.stack(found, 1)).mT

    def _of_plane(
        self, number: int, places: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch channel point"]:
        axes = self.axes[number]
        grid = torch.stack([places[..., "xyz".index(axis)] for axis in axes], -1)[:, None]
        features = F.grid_sample(self.planes[:, number], grid, align_corners=False)[:, :, 0]
        if self.depth == 1:
            return features
        # Trilinear: every plane of the stack, weighted by its distance from the point.
        place = places[..., "xyz".index(third_axis(axes))]
        layer = ((place + 1) * self.depth - 1) / 2
        layers = torch.arange(self.depth, device=layer.device)[:, None]
        weights = (1 - (layer[:, None] - layers).abs()).clamp(min=0)
        stack = features.unflatten(1, (-1, self.depth))
        return (stack * weights[:, None]).sum(2)
