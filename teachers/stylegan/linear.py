"""Fully connected layer with equalised learning rate (Karras et al. 2018, sec. 4.1)."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

LEAK = 0.2
LEAKY_GAIN = math.sqrt(2)
"""Makes up for the half of the variance that a ReLU removes (He et al. 2015)."""


def leaky_relu(
    x: Float[Tensor, "*shape"], gain: float = LEAKY_GAIN, clamp: float | None = None
) -> Float[Tensor, "*shape"]:
    """Leaky ReLU of slope 0.2, times `gain`, clamped to ±`clamp`; it keeps the variance."""
    x = F.leaky_relu(x, LEAK) * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalize_second_moment(x: Float[Tensor, "batch channel"]) -> Float[Tensor, "batch channel"]:
    """Rows scaled to a mean square of one."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class EqualizedLinear(nn.Module):
    """x ↦ W x + b, with W stored at unit variance and scaled when used.

    Args:
        learning_rate: factor on the effective learning rate; stored weights are divided by it.
        bias: initial value of the effective bias.
        activate: follow with the leaky ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        learning_rate: float = 1.0,
        bias: float = 0.0,
        activate: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels) / learning_rate)
        self.bias = nn.Parameter(torch.full((out_channels,), bias / learning_rate))
        # Adam's steps don't depend on a parameter's scale: in use they are as large as this gain.
        self.weight_gain = learning_rate / math.sqrt(in_channels)
        self.bias_gain = learning_rate
        self.activate = activate

    def forward(self, x: Float[Tensor, "*batch channel"]) -> Float[Tensor, "*batch out"]:
        """The affine map, then the activation."""
        x = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return leaky_relu(x) if self.activate else x
