"""3x3 convolutions of one image, upsampling included, by Winograd's minimal filtering.

Upsampling by 2 is the same convolution with four times the outputs: a transposed convolution
followed by the low-pass filter is, for each of the four output phases, a 3x3 convolution of the
input. Minimal filtering makes that as cheap as the transposed convolution alone.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.fast.threads import in_parallel, slices
from teachers.stylegan.linear import LEAK
from teachers.stylegan.resampling import TAPS

from .winograd_kernels import FAR, LANES, NEAR, ROWS, SLACK, WIDTH, convolve_tiles

TILES = 96
"""Tiles taken through the stages at a time: a multiple of `ROWS`; 1 to 5 MB of scratch."""

G = (
    (1, 0, 0),
    *((-1 / 1.5, -point / 1.5, -(NEAR**2) / 1.5) for point in (NEAR, -NEAR)),
    *((1 / 6, point / 6, FAR**2 / 6) for point in (FAR, -FAR)),
    (0, 0, 1),
)
"""Transform of the weights in one direction: 3 → 6."""


@dataclass(frozen=True)
class Weights:
    """Weights of a convolution, transformed.

    Attributes:
        u: by position, panel of outputs, input channel, output within the panel.
        scale: 2 if the convolution upsamples.
        norm: root of the sum of the squares of an output's weights.
    """

    u: Float[Tensor, "36 panel channel width"]
    scale: int
    norm: Float[Tensor, " out"]

    @property
    def outs(self) -> int:
        """Output channels."""
        return len(self.norm)


@dataclass(frozen=True)
class Finish:
    """What happens to the sums of products: gain, bias, noise, leaky ReLU, clamp."""

    gain: Float[Tensor, " out"]
    bias: Float[Tensor, " out"]
    noise: Float[Tensor, "out_height out_width"] | None = None
    clamp: float | None = None
    leak: float = LEAK


@dataclass(frozen=True)
class Projection:
    """A 1x1 convolution of the outputs, clamped, that is added to an image."""

    weight: Float[Tensor, "color channel"]
    bias: Float[Tensor, " color"]
    clamp: float | None


def covers(height: int, width: int, in_channels: int, out_channels: int) -> bool:
    """Whether `convolve` takes these sizes."""
    return (
        height % 4 == 0
        and width % 4 == 0
        and in_channels % LANES == 0
        and out_channels % WIDTH == 0
    )


def transform(
    weight: Float[Tensor, "out channel 3 3"], style: Float[Tensor, " channel"], *, up: bool
) -> Weights:
    """The weights, scaled by a factor for each input channel, transformed."""
    out, channel = weight.shape[:2]
    panels = weight.reshape(out // WIDTH, WIDTH, channel, 9).permute(3, 0, 2, 1)
    scaled = torch.mul(panels, style[:, None], out=weight.new_empty(panels.shape))
    norm = torch.linalg.vector_norm(scaled, dim=(0, 2)).flatten()
    kernels = _kernels(up).to(weight)
    u = torch.mm(kernels, scaled.flatten(1), out=large((len(kernels), out * channel)))
    return Weights(u.reshape(36, -1, channel, WIDTH), 2 if up else 1, norm)


def large(shape: tuple[int, ...]) -> Tensor:
    """Memory for float32 numbers; from numpy, which asks for large pages: a third of the time."""
    return torch.from_numpy(np.empty(shape, np.float32))


def _kernels(up: bool) -> Float[Tensor, "position 9"]:
    """The linear map from 3x3 weights to the transformed ones; with `up`: for each phase."""
    g = torch.tensor(G, dtype=torch.float64)
    if not up:
        return torch.kron(g, g)
    # Output 2q + p of the transposed convolution (weights w) and the filter (taps f, gain 2 in each
    # direction) is the sum over a of input q + a - 1 times the sum over n of
    # f[n - 1 - p + 2a] w[n].
    taps = [0.0, 0.0, *(tap * 2 / sum(TAPS) for tap in TAPS), 0.0, 0.0, 0.0]
    phases = [
        g
        @ torch.tensor(
            [[taps[n + 1 - p + 2 * a] for n in range(3)] for a in range(3)], dtype=torch.float64
        )
        for p in (0, 1)
    ]
    both = torch.stack(
        [torch.kron(vertical, across) for vertical in phases for across in phases], 1
    )
    return both.flatten(0, 1)


@dataclass(frozen=True)
class Convolution:
    """A convolution with padding 1 that is done row by row of tiles, 4 rows of the input each.

    Args:
        weights, finish: what is computed.
        height, width: of the input.
        projection: if there is one, it is added to `image`.
    """

    weights: Weights
    finish: Finish
    height: int
    width: int
    projection: Projection | None = None
    image: Float[Tensor, "color out_height out_width"] | None = None

    def __call__(
        self,
        x: Float[Tensor, "row width channel"],
        out: Float[Tensor, "out_row out_width out"] | None,
        rows: range,
        *,
        x_top: int = 0,
        out_top: int = 0,
    ) -> None:
        """The outputs of some rows of tiles.

        Args:
            x: rows of the input, from row `x_top` on: at least those from one above the tiles to
                one below.
            out: rows of the output, from row `out_top` on; None: only the image is wanted.
        """
        weights, finish = self.weights, self.finish
        scale, outs, channel = weights.scale, weights.outs, x.shape[-1]
        across, empty = self.width // 4, torch.empty(0).numpy()
        tiles = min(TILES, -(-len(rows) * across // ROWS) * ROWS)
        noise = torch.zeros(1) if finish.noise is None else finish.noise
        rgb, rgb_bias, rgb_limit = empty, empty, math.inf
        if self.projection is not None:
            rgb, rgb_bias = self.projection.weight.reshape(-1).numpy(), self.projection.bias.numpy()
            rgb_limit = _limit(self.projection.clamp)
        arguments = (
            x.reshape(-1).numpy(), x_top, self.height, self.width, channel,
            weights.u.reshape(-1).numpy(), outs, scale, finish.gain.numpy(), finish.bias.numpy(),
            noise.reshape(-1).numpy(), finish.noise is not None, finish.leak,
            _limit(finish.clamp),
        )  # fmt: skip
        image = empty if self.image is None else self.image.view(-1).numpy()
        free: list[tuple[np.ndarray, ...]] = []
        first = rows.start * across
        pieces = slices(len(rows) * across, self._piece(len(rows) * across, tiles))

        def convolve_piece(number: int) -> None:
            start, stop = (first + n for n in (pieces[number].start, pieces[number].stop))
            scratch = free.pop() if free else self._scratch(channel, tiles, out is None)
            v, m, patch, outputs = scratch
            convolve_tiles(
                *arguments, outputs if out is None else out.view(-1).numpy(), out_top,
                out is not None, start, stop, tiles, v, m, patch, rgb, rgb_bias, rgb_limit, image,
            )  # fmt: skip
            free.append(scratch)

        in_parallel(convolve_piece, len(pieces))

    @staticmethod
    def _piece(total: int, tiles: int) -> int:
        threads = torch.get_num_threads()
        return max(tiles, -(-total // (4 * threads))) if threads > 1 else total

    def _scratch(self, channel: int, tiles: int, has_outputs: bool) -> tuple[np.ndarray, ...]:
        """Transformed inputs (finite where a block isn't full), products, a tile at the border."""
        outputs = tiles * 16 * self.weights.scale**2 * self.weights.outs if has_outputs else 0
        sizes = (
            36 * (channel * tiles + SLACK),
            36 * (tiles * WIDTH + SLACK),
            36 * channel,
            outputs,
        )
        scratch = tuple(np.empty(size, np.float32) for size in sizes)
        scratch[0].fill(0)
        return scratch


def _limit(clamp: float | None) -> float:
    return math.inf if clamp is None else clamp
