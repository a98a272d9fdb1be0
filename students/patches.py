"""Overlapping patch embedding: a strided convolution and layer normalisation."""

from jaxtyping import Float
from torch import Tensor, nn

from .attention import to_map, to_tokens


class OverlapPatchEmbed(nn.Module):
    """3x3 convolution, LayerNorm over channels (SegFormer sec. 3.1; patch size 3: LP3D supp. A2).

    Args:
        in_channels: channels of the features.
        dim: channels of the tokens.
        stride: how many pixels a side go into one token.
    """

    def __init__(self, *, in_channels: int, dim: int, stride: int = 2) -> None:
        super().__init__()
        self.projection = nn.Conv2d(in_channels, dim, 3, stride, padding=1)
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, features: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch dim token_height token_width"]:
        """Features → normalised tokens as a map `[batch dim height width]`."""
        embedded = self.projection(features)
        return to_map(self.norm(to_tokens(embedded)), embedded.shape[2])
