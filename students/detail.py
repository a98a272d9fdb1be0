"""The detail half (LP3D sec. 4.1), and the transformer that fuses both halves.

Its high-frequency features are what the deep ones lose: wrinkles, strands, earrings.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .patches import OverlapPatchEmbed
from .residual_cnn import Mixing, mixing_blocks

LEAK = 0.01


class DetailBranch(nn.Module):
    """A shallow convolutional branch at high resolution (LP3D's E_high, fig. A11).

    Args:
        in_channels: 5 for the image with its coordinates, or those of a backbone layer.
        widths, strides: of the convolutions; the first has a 7x7 kernel, the others 3x3.
    """

    def __init__(self, *, in_channels: int, widths: Sequence[int], strides: Sequence[int]) -> None:
        super().__init__()
        if len(widths) != len(strides):
            raise ValueError(
                f"the detail branch got {len(widths)} widths and {len(strides)} strides: give one"
                " stride a width"
            )
        before = [in_channels, *widths]
        kernels = [7, *[3] * (len(widths) - 1)]
        self.out_channels = widths[-1]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, kernel, stride, padding=kernel // 2)
            for a, b, kernel, stride in zip(before, widths, kernels, strides, strict=False)
        )

    def forward(
        self, source: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out_channel out_height out_width"]:
        """The image with its coordinates, or a backbone layer → features.

        They are downsampled by the product of the strides.
        """
        features = source
        for convolution in self.convolutions:
            features = F.leaky_relu(convolution(features), LEAK)
        return features


class Fusion(nn.Module):
    """Canonical ⊕ detail → convolutions → transformer → pixel shuffle (LP3D fig. A12).

    Args:
        in_channels: of both inputs together.
        widths: output channels of the convolutions.
        dim: token channels; divisible by 4 for the pixel shuffle.
        blocks, heads, mlp_ratio, reduction: of the transformer.
        patch_stride: how many pixels a side go into one token.
        mixing: see `mixing_blocks`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        widths: Sequence[int],
        dim: int,
        blocks: int,
        heads: int,
        mlp_ratio: float,
        reduction: int,
        patch_stride: int,
        mixing: Mixing = "attention",
    ) -> None:
        super().__init__()
        before = [in_channels, *widths]
        self.out_channels = dim // 4
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(before, widths, strict=False)
        )
        self.patches = OverlapPatchEmbed(in_channels=before[-1], dim=dim, stride=patch_stride)
        self.blocks = mixing_blocks(
            mixing, blocks, dim=dim, heads=heads, mlp_ratio=mlp_ratio, reduction=reduction
        )

    def forward(
        self,
        canonical: Float[Tensor, "batch canonical_channel height width"],
        detail: Float[Tensor, "batch detail_channel detail_height detail_width"],
    ) -> Float[Tensor, "batch out_channel out_height out_width"]:
        """Both halves → features; the detail is resized where the sizes differ."""
        if detail.shape[2:] != canonical.shape[2:]:
            detail = F.interpolate(
                detail, size=canonical.shape[2:], mode="bilinear", align_corners=False
            )
        features = torch.cat([canonical, detail], 1)
        for convolution in self.convolutions:
            features = F.leaky_relu(convolution(features), LEAK)
        return F.pixel_shuffle(self.blocks(self.patches(features)), 2)
