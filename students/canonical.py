"""The canonical half: a transformer maps deep features to the canonical frame (LP3D sec. 4.1)."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .patches import OverlapPatchEmbed
from .residual_cnn import Mixing, mixing_blocks


class CanonicalLift(nn.Module):
    """Patch embedding, transformer, pixel shuffle, upsampling convolutions (LP3D fig. A10).

    Args:
        in_channels: channels of the backbone.
        dim: token channels; divisible by 4 for the pixel shuffle.
        blocks, heads, mlp_ratio: of the transformer; it attends without sequence reduction.
        patch_stride: how many backbone pixels a side go into one token.
        widths: output channels of the convolutions behind the pixel shuffle.
        upsamplings: the input of so many of them is upsampled by 2 first.
        mixing: see `mixing_blocks`.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        dim: int,
        blocks: int,
        heads: int,
        mlp_ratio: float,
        patch_stride: int,
        widths: Sequence[int],
        upsamplings: int,
        mixing: Mixing = "attention",
    ) -> None:
        super().__init__()
        self.out_channels = widths[-1]
        self.upsamplings = upsamplings
        self.patches = OverlapPatchEmbed(in_channels=in_channels, dim=dim, stride=patch_stride)
        self.blocks = mixing_blocks(mixing, blocks, dim=dim, heads=heads, mlp_ratio=mlp_ratio)
        before = [dim // 4, *widths]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(a, b, 3, padding=1) for a, b in zip(before, widths, strict=False)
        )

    def forward(
        self, deep: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch out_channel out_height out_width"]:
        """Deep → canonical features, 2 · 2^`upsamplings` times the size of the tokens' map."""
        features = F.pixel_shuffle(self.blocks(self.patches(deep)), 2)
        for index, convolution in enumerate(self.convolutions):
            if index < self.upsamplings:
                features = F.interpolate(
                    features, scale_factor=2, mode="bilinear", align_corners=False
                )
            features = convolution(features)
            if index + 1 < len(self.convolutions):
                features = F.relu(features)
        return features
