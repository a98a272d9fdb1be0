"""The last layers of the encoder: features → the teacher's three planes."""

from collections.abc import Sequence

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .detail import LEAK


class PlaneHead(nn.Module):
    """Convolutions to planes (LP3D fig. A12), calibrated to a teacher's statistics.

    The convolutions predict planes of mean 0 and deviation 1. `calibrate` sets the affine map from
    those to the teacher's; before that (and in LP3D) it is the identity.

    Args:
        in_channels: channels of the fused features.
        skip_channels: channels of the canonical features that are concatenated first; 0 = they are
            not.
        widths: hidden channels of the convolutions.
        plane_channels, plane_resolution: of the teacher's planes. Features of another size are
            resized behind the first convolution.
    """

    plane_mean: Float[Tensor, " plane_channel"]
    plane_scale: Float[Tensor, " plane_channel"]

    def __init__(
        self,
        *,
        in_channels: int,
        skip_channels: int,
        widths: Sequence[int],
        plane_channels: int,
        plane_resolution: int,
    ) -> None:
        super().__init__()
        before = [in_channels + skip_channels, *widths]
        self.skips = skip_channels > 0
        self.plane_resolution = plane_resolution
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(before, widths, strict=False)
        )
        self.last = nn.Conv2d(before[-1], 3 * plane_channels, 3, padding=1)
        self.register_buffer("plane_mean", torch.zeros(3 * plane_channels))
        self.register_buffer("plane_scale", torch.ones(3 * plane_channels))

    def calibrate(
        self, mean: Float[Tensor, " plane_channel"], scale: Float[Tensor, " plane_channel"]
    ) -> None:
        """Sets mean and standard deviation of each channel of the planes (xy's channels first).

        Raises:
            ValueError: another number of channels, or a scale that is not positive.
        """
        if mean.shape != self.plane_mean.shape or scale.shape != self.plane_scale.shape:
            raise ValueError(
                f"plane statistics have shapes {tuple(mean.shape)} and {tuple(scale.shape)}, this"
                f" student draws 3 planes together of {len(self.plane_mean)} channels: measure them"
                " on the teacher it is built for"
            )
        if not bool((scale > 0).all()):
            raise ValueError(
                f"a plane scale of {float(scale.min())} would draw a constant: scales must be"
                " positive"
            )
        self.plane_mean.copy_(mean)
        self.plane_scale.copy_(scale)

    def forward(
        self,
        fused: Float[Tensor, "batch channel height width"],
        canonical: Float[Tensor, "batch canonical_channel canonical_height canonical_width"],
    ) -> Float[Tensor, "batch 3 plane_channel plane_height plane_width"]:
        """Fused (and canonical) features → planes in the teacher's range."""
        features = (
            torch.cat([fused, _resized(canonical, fused.shape[2])], 1) if self.skips else fused
        )
        for convolution in self.convolutions:
            features = _resized(F.leaky_relu(convolution(features), LEAK), self.plane_resolution)
        normalised = self.last(features)
        planes = normalised * self.plane_scale[:, None, None] + self.plane_mean[:, None, None]
        return rearrange(
            planes,
            "batch (plane channel) height width -> batch plane channel height width",
            plane=3,
        )


def _resized(features: Tensor, resolution: int) -> Tensor:
    if features.shape[2] == resolution:
        return features
    return F.interpolate(
        features, size=(resolution, resolution), mode="bilinear", align_corners=False
    )
