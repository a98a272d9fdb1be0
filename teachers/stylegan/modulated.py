"""Modulated convolutions (StyleGAN2 sec. 2.2), with activations scaled instead of weights.

A convolution with per-sample weights w·s, demodulated by d, equals d · conv(w, s·x): no grouped
convolution with the batch as groups, which is several times slower on CPUs.
"""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from . import fast
from .linear import LEAK, LEAKY_GAIN, EqualizedLinear, leaky_relu
from .resampling import low_pass

NoiseMode = Literal["none", "const"]


def _scale(x: Tensor, factors: Float[Tensor, "batch channel"]) -> Tensor:
    return x * factors[:, :, None, None].to(x.dtype)


def convolve_points(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 1x1 convolution."""
    if fast.covers_large(x):
        from .fast import layers  # numba takes a second to import

        return layers.pointwise(x, weight, bias)
    return F.conv2d(x, weight, bias)


class SynthesisLayer(nn.Module):
    """3x3 modulated convolution (StyleGAN2 eq. 1-3), upsampling, noise, bias, leaky ReLU.

    Args:
        resolution: side of the output.
        up: upsample by 2 (transposed convolution, then the low-pass filter).
        conv_clamp: outputs are clamped to ± this.
        has_noise: keep the constant noise image and its strength; an imported checkpoint has them.
    """

    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        w_dim: int,
        resolution: int,
        *,
        up: bool = False,
        conv_clamp: float | None = None,
        has_noise: bool = True,
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.up = up
        self.conv_clamp = conv_clamp
        self.has_noise = has_noise
        if has_noise:
            self.noise_strength = nn.Parameter(torch.zeros([]))
            self.register_buffer("noise_const", torch.randn(resolution, resolution))

    def forward(
        self,
        x: Float[Tensor, "batch channel height width"],
        w: Float[Tensor, "batch w_dim"],
        noise: NoiseMode = "none",
    ) -> Float[Tensor, "batch out out_height out_width"]:
        """The layer's features at `resolution`."""
        style = self.affine(w)
        # Demodulation cancels any scale of the weights: they need no gain of 1 / √(fan-in).
        x = self._convolve(_scale(x, style))
        # Eq. 3: d = (Σ (s w)² + ε)^(-1/2) over input channels and kernel.
        demodulation = (style.square() @ self.weight.square().sum((2, 3)).mT + 1e-8).rsqrt()
        if noise == "none" and fast.covers_large(x):
            from .fast import layers  # numba takes a second to import

            return layers.activate(
                x, demodulation, self.bias, leak=LEAK, gain=LEAKY_GAIN, clamp=self.conv_clamp
            )
        x = _scale(x, demodulation)
        if noise == "const" and self.has_noise:
            x = x + (self.noise_const * self.noise_strength).to(x.dtype)
        return leaky_relu(x + self.bias.to(x.dtype)[:, None, None], LEAKY_GAIN, self.conv_clamp)

    def _convolve(self, x: Tensor) -> Tensor:
        weight = self.weight.to(x.dtype)
        if not self.up:
            return F.conv2d(x, weight, padding=1)
        # A true convolution of the zero-stuffed image, hence the transposed convolution with the
        # kernel as it is.
        # Three of four pixels are zeros, hence the gain of 4.
        return low_pass(
            F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), padding=1, gain=4.0
        )


class ToRGB(nn.Module):
    """1x1 modulated convolution without demodulation or activation; its outputs may be planes."""

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, *, conv_clamp: float | None = None
    ) -> None:
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.gain = 1 / math.sqrt(in_channels)
        self.conv_clamp = conv_clamp

    def forward(
        self, x: Float[Tensor, "batch channel height width"], w: Float[Tensor, "batch w_dim"]
    ) -> Float[Tensor, "batch out height width"]:
        """Output channels at the resolution of `x`."""
        # Nothing demodulates, so the equalised learning rate's gain stays; it may scale the style.
        x = _scale(x, self.affine(w) * self.gain)
        x = convolve_points(x, self.weight.to(x.dtype), self.bias.to(x.dtype))
        return x if self.conv_clamp is None else x.clamp(-self.conv_clamp, self.conv_clamp)
