"""A differentiable stand-in of H.264, for students that are trained for it.

A codec writes a picture alone, then what has changed since the last *decoded* picture: both in
blocks of 8² texels, whose cosine transform is divided by a step and rounded. The stand-in does the
same with real numbers; its gradient passes the rounding as if there were none. Motion compensation
(a lifted head doesn't move in its planes) and the prediction of blocks from their neighbours are
left out.
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

Levels = Float[Tensor, "batch tile height width"]
Coefficients = Float[Tensor, "batch tile row column 8 8"]
Steps = Float[Tensor, " batch"]

BLOCK = 8
ALONE, CHANGE = 1 / 3, 1 / 6
"""What x264 adds before it cuts off the fraction: less than 1/2 gives more zeros."""

FINER = 3
"""x264's constant rate factor takes a finer quantiser for pictures as simple as these. With the
nominal step of 10 bits, 2^((quality + 8) / 6), three less gives the error that the bundled
student's first frames have (1.0 levels for 1.2 at quality 10, 1.9 for 2.1 at 18).
"""


def step_size(quality: Float[Tensor, " batch"]) -> Steps:
    """Levels of one step of the quantiser; six more of quality double it."""
    return 2 ** ((quality + 8 - FINER) / 6)


def coefficients(levels: Levels) -> Coefficients:
    """The orthonormal cosine transform (DCT-II) of each block.

    Raises:
        ValueError: the sides aren't multiples of 8.
    """
    if levels.shape[-1] % BLOCK or levels.shape[-2] % BLOCK:
        raise ValueError(
            f"planes of {levels.shape[-2]} x {levels.shape[-1]} texels have no whole blocks of"
            f" {BLOCK}²: train without plane_codec"
        )
    cosines = _cosines(levels)
    blocks = levels.unflatten(-1, (-1, BLOCK)).unflatten(-3, (-1, BLOCK))
    return torch.einsum("ui,btricj,vj->btrcuv", cosines, blocks, cosines)


def from_coefficients(values: Coefficients) -> Levels:
    """The inverse of `coefficients`."""
    cosines = _cosines(values)
    blocks = torch.einsum("ui,btrcuv,vj->btricj", cosines, values, cosines)
    return blocks.flatten(-2).flatten(-3, -2)


def quantised(values: Coefficients, step: Steps, rounding: float) -> Coefficients:
    """Rounded to multiples of the step; the gradient is that of the values themselves.

    Args:
        values: what is coded.
        step: of each row.
        rounding: `ALONE` or `CHANGE`.
    """
    size = step[:, None, None, None, None, None]
    with torch.no_grad():
        rounded = values.sign() * (values.abs() / size + rounding).floor() * size
    return values + (rounded - values).detach()


def bits(values: Coefficients, step: Steps) -> Float[Tensor, ""]:
    """About what the values take, bits a texel: the mean of ½ log₂(1 + (2 c / step)²).

    It counts ½ for a coefficient of half a step, next to nothing for smaller ones, which become 0,
    and one bit for each doubling of larger ones.
    """
    relative = 2 * values / step[:, None, None, None, None, None]
    return (1 + relative.square()).log2().mean() / 2


def _cosines(like: Tensor) -> Float[Tensor, "8 8"]:
    numbers = torch.arange(BLOCK, dtype=torch.float64)
    angles = math.pi * (2 * numbers[None] + 1) * numbers[:, None] / (2 * BLOCK)
    values = angles.cos() * (2 / BLOCK) ** 0.5
    values[0] /= 2**0.5
    return values.to(like)
