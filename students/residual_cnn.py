"""Residual convolutions in place of the transformers: the ablation in LP3D's Table 4."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from .attention import SegformerBlock

Mixing = Literal["attention", "convolution"]


class ResidualConvolutions(nn.Module):
    """The SegFormer block with two 3x3 convolutions for attention: its receptive field is local.

    Args:
        dim: channels.
        hidden: channels between the convolutions; chosen to match a transformer's number of
            parameters.
    """

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, dim)
        self.conv1 = nn.Conv2d(dim, hidden, 3, padding=1)
        self.conv2 = nn.Conv2d(hidden, dim, 3, padding=1)

    def forward(
        self, features: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Features → features of the same shape."""
        return features + self.conv2(F.gelu(self.conv1(self.norm(features))))


def mixing_blocks(
    mixing: Mixing, count: int, *, dim: int, heads: int, mlp_ratio: float, reduction: int = 1
) -> nn.Sequential:
    """Blocks that keep a map's shape: a transformer, or the residual network of the ablation.

    Args:
        mixing: which of the two.
        count: how many blocks.
        dim, heads, mlp_ratio, reduction: see `SegformerBlock`; convolutions have `dim * mlp_ratio`
            hidden channels, and neither heads nor reduction.
    """
    if mixing == "attention":
        return nn.Sequential(
            *(
                SegformerBlock(dim=dim, heads=heads, mlp_ratio=mlp_ratio, reduction=reduction)
                for _ in range(count)
            )
        )
    if mixing == "convolution":
        return nn.Sequential(
            *(ResidualConvolutions(dim=dim, hidden=round(dim * mlp_ratio)) for _ in range(count))
        )
    raise ValueError(f"mixing is {mixing!r}, known are 'attention' and 'convolution'")
