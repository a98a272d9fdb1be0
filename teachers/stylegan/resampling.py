"""Upsampling and downsampling by 2 with StyleGAN2's [1 3 3 1] low-pass filter."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from . import fast

TAPS = (1.0, 3.0, 3.0, 1.0)


def low_pass(
    x: Float[Tensor, "batch channel height width"],
    padding: int,
    *,
    gain: float = 1.0,
    stride: int = 1,
) -> Tensor:
    """The separable filter with sum `gain`; every `stride`-th output is kept.

    `padding` zeros are added on all sides.
    """
    channels = x.shape[1]
    taps = torch.tensor(TAPS, device=x.device, dtype=x.dtype)
    kernel = torch.outer(taps, taps) * (gain / taps.sum() ** 2)
    return F.conv2d(
        x, kernel.expand(channels, 1, 4, 4), padding=padding, stride=stride, groups=channels
    )


def upsample(x: Float[Tensor, "batch channel height width"]) -> Tensor:
    """Upsampling by 2: zeros in between, then the low-pass filter with gain 4.

    The filter on a zero-stuffed image is, for each of the four output phases, a two by two mix of
    neighbours with weights (1, 3) / 4: bilinear interpolation at pixel centres, except at the
    border, where zeros come in instead of copies.
    """
    if fast.covers(x):
        from .fast import layers  # numba takes a second to import

        return layers.upsample(x, _upsample)
    return _upsample(x)


def _upsample(x: Tensor) -> Tensor:
    padded = F.pad(x, (1, 1, 1, 1))
    big = F.interpolate(padded, scale_factor=2, mode="bilinear", align_corners=False)
    return big[:, :, 2:-2, 2:-2]


def downsample(x: Float[Tensor, "batch channel height width"]) -> Tensor:
    """Downsampling by 2: low-pass filter, then every second pixel."""
    # On a CPU, the gradient of a strided depthwise bfloat16 convolution is 4 to 10 times slower.
    if x.dtype == torch.bfloat16 and x.device.type == "cpu":
        return low_pass(x, padding=1)[:, :, ::2, ::2]
    return low_pass(x, padding=1, stride=2)
