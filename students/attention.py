"""The SegFormer block (SegFormer sec. 3.1): efficient self-attention, then Mix-FFN."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


class SegformerBlock(nn.Module):
    """Pre-normalised attention and Mix-FFN, each with a residual (SegFormer sec. 3.1).

    As in LP3D (supp. A2) without dropout and with biases of query, key and value.

    Input and output are feature maps `[batch dim height width]`; tokens exist only inside the
    block.

    Args:
        dim: channels.
        heads: attention heads; must divide `dim`.
        mlp_ratio: hidden channels of the feed-forward layer per channel.
        reduction: keys and values are taken from a map that is smaller by this factor per side; 1 =
            full attention.

    Attributes:
        checkpoints_activations: in training, only the input is kept; the rest is computed again for
            the backward pass.
    """

    def __init__(self, *, dim: int, heads: int, mlp_ratio: float = 2.0, reduction: int = 1) -> None:
        super().__init__()
        self.checkpoints_activations = False
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = EfficientSelfAttention(dim=dim, heads=heads, reduction=reduction)
        self.feed_forward_norm = nn.LayerNorm(dim)
        self.feed_forward = MixFeedForward(dim=dim, hidden=int(dim * mlp_ratio))

    def forward(
        self, features: Float[Tensor, "batch channel height width"]
    ) -> Float[Tensor, "batch channel height width"]:
        """Features → features of the same shape."""
        if self.checkpoints_activations and torch.is_grad_enabled():
            return checkpoint(self._transform, features, use_reentrant=False)
        return self._transform(features)

    def _transform(self, features: Tensor) -> Tensor:
        height = features.shape[2]
        tokens = to_tokens(features)
        tokens = tokens + self.attention(self.attention_norm(tokens), height)
        tokens = tokens + self.feed_forward(self.feed_forward_norm(tokens), height)
        return to_map(tokens, height)


class EfficientSelfAttention(nn.Module):
    """Every token attends to a map shrunk by a strided convolution (SegFormer eq. 1-2)."""

    def __init__(self, *, dim: int, heads: int, reduction: int) -> None:
        super().__init__()
        if dim % heads:
            raise ValueError(
                f"{heads} attention heads don't divide {dim} channels: choose a divisor"
            )
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.output = nn.Linear(dim, dim)
        self.reduce = nn.Conv2d(dim, dim, reduction, reduction) if reduction > 1 else None
        self.reduce_norm = nn.LayerNorm(dim) if reduction > 1 else None

    def forward(
        self, tokens: Float[Tensor, "batch token channel"], height: int
    ) -> Float[Tensor, "batch token channel"]:
        """Tokens `[batch token dim]` of a map of `height` rows → tokens of the same shape."""
        reduced = tokens
        if self.reduce is not None and self.reduce_norm is not None:
            # N tokens have N² / reduction² scores; SegFormer's R is reduction².
            reduced = self.reduce_norm(to_tokens(self.reduce(to_map(tokens, height))))
        query, key, value = (
            rearrange(
                part, "batch token (head channel) -> batch head token channel", head=self.heads
            )
            for part in (self.query(tokens), self.key(reduced), self.value(reduced))
        )
        attended = F.scaled_dot_product_attention(query, key, value)
        return self.output(
            rearrange(attended, "batch head token channel -> batch token (head channel)")
        )


class MixFeedForward(nn.Module):
    """Linear, 3x3 depthwise convolution for position, GELU, linear (SegFormer eq. 3)."""

    def __init__(self, *, dim: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(dim, hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.contract = nn.Linear(hidden, dim)

    def forward(
        self, tokens: Float[Tensor, "batch token channel"], height: int
    ) -> Float[Tensor, "batch token channel"]:
        """Tokens `[batch token dim]` of a map of `height` rows → tokens of the same shape."""
        hidden = self.depthwise(to_map(self.expand(tokens), height))
        return self.contract(F.gelu(to_tokens(hidden)))


def to_tokens(
    features: Float[Tensor, "batch channel height width"],
) -> Float[Tensor, "batch token channel"]:
    """One token per pixel, row by row; free of copies for channels-last maps."""
    return rearrange(features, "batch channel height width -> batch (height width) channel")


def to_map(
    tokens: Float[Tensor, "batch token channel"], height: int
) -> Float[Tensor, "batch channel height width"]:
    """The inverse of `to_tokens`; the result is laid out channels-last."""
    return rearrange(
        tokens, "batch (height width) channel -> batch channel height width", height=height
    )
