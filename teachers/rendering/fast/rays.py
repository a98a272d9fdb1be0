"""Rays at given depths through a triplane and a decoder of two layers, with gradients to planes and
weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ..camera import Rays
from ..compositing import composite as readable_composite
from ..density import ShiftedSoftplus
from ..triplane import Triplane
from ..two_layers import TwoLayers
from . import lookup, ray_kernels
from .layers import UNROLLED
from .threads import in_parallel, slices
from .vectors import LANES

PIECES = 4
"""Pieces of an image's gradient, each with planes of its own, so that the sums don't depend on the
number of threads."""

PIECES_OF_LARGE = 2
"""The same, of planes of more than `LARGE` numbers."""

LARGE = 1 << 20


def covers(triplane: Triplane, layers: TwoLayers, rays: Rays) -> bool:
    """What `lookup.covers` says, whole vectors of hidden values, float32, and rays without
    gradient.
    """
    tensors = (triplane.planes, rays.origins, rays.directions, *layers.parameters)
    moves = rays.origins.requires_grad or rays.directions.requires_grad
    return (
        lookup.covers(triplane, rays.directions)
        and lookup.is_plain(rays.origins)
        and triplane.planes.shape[2] == layers.hidden_weight.shape[1]
        and len(layers.hidden_bias) % LANES == 0
        and all(tensor.dtype == torch.float32 for tensor in tensors)
        and not (torch.is_grad_enabled() and moves)
    )


@dataclass(frozen=True)
class Cast:
    """What is cast, besides planes and weights.

    Attributes:
        rays: of square images.
        order: for each batch row the numbers of the rays that are cast; the others are empty.
        depths: of every ray's samples, sorted, without gradient; those of empty rays aren't read.
    """

    rays: Rays
    order: Sequence[np.ndarray]
    depths: Float[Tensor, "batch ray sample"]


def composite(
    triplane: Triplane, layers: TwoLayers, cast: Cast
) -> tuple[
    Float[Tensor, "batch ray feature"], Float[Tensor, "batch ray"], Float[Tensor, "batch ray"]
]:
    """Premultiplied colours, weighted depths and opacities (see `covers`).

    Their gradient can be differentiated again: it is then that of PyTorch's own operators.
    """
    sums: tuple[Tensor, Tensor, Tensor] = _Composite.apply(  # type: ignore[no-untyped-call]
        triplane.planes, *layers.parameters, triplane, layers, cast
    )
    return sums


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, planes: Tensor, *others: Any) -> tuple[Tensor, Tensor, Tensor]:
        *weights, triplane, layers, cast = others
        ctx.save_for_backward(planes, *weights)
        ctx.given = triplane, layers, cast
        colors = len(layers.output_bias) - 1
        work = _Work(triplane, layers, cast)
        batch, count, _ = cast.rays.directions.shape
        sums = planes.new_zeros(batch, count, work.padded)
        depth, opacity = planes.new_zeros(2, batch, count)
        rows = sums.flatten(1).numpy(), depth.numpy(), opacity.numpy()
        size = 8 * ray_kernels.rays_of_tile(work.samples)
        pieces = [
            (row, piece)
            for row, order in enumerate(cast.order)
            for piece in slices(len(order), size)
        ]

        def composite_piece(number: int) -> None:
            row, piece = pieces[number]
            ray_kernels.composite(
                *work.arguments(row), tuple(total[row] for total in rows), *work.room(), row,
                piece.start, piece.stop,
            )  # fmt: skip

        in_parallel(composite_piece, len(pieces))
        features = sums[..., :colors] * 1.002 - 0.001 * opacity[..., None]  # as `Decoder.colors`
        return features, depth, opacity

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        planes, *weights = ctx.saved_tensors
        triplane, layers, cast = ctx.given
        needed = ctx.needs_input_grad[:5]
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            slopes = _again(triplane, layers, cast, (planes, *weights), needed, gradients)
        else:
            slopes = _slopes(triplane, layers, cast, needed, gradients)
        return *slopes, None, None, None


class _Work:
    """What every call of a kernel takes."""

    def __init__(self, triplane: Triplane, layers: TwoLayers, cast: Cast) -> None:
        self.memory = lookup.PlaneMemory.of(triplane)
        hidden_layer, density, color_layer, prior = layers.arguments()
        empty = F.softplus(layers.hidden_bias.detach()).numpy()  # hidden values of no features
        self.layers = (hidden_layer, density, color_layer, prior, empty)
        self.gain = np.float32(layers.density_gain)
        self.origins, self.directions = (
            tensor.detach().contiguous().numpy()
            for tensor in (cast.rays.origins, cast.rays.directions)
        )
        self.order, self.depths = cast.order, cast.depths.detach().contiguous().numpy()
        self.samples = self.depths.shape[-1]
        self.width, self.padded = len(layers.hidden_bias), len(color_layer[1])

    def arguments(self, row: int, *backward: Any) -> tuple[Any, ...]:
        """Of a batch row; `backward`: what comes between the layers and the rays."""
        return (
            self.memory.arguments, self.layers, *backward,
            (self.origins[row], self.directions[row]), self.order[row], self.depths[row], self.gain,
        )  # fmt: skip

    def room(self) -> tuple[Any, ...]:
        """Weights of a tile's intervals, and room."""
        intervals = np.empty((ray_kernels.rays_of_tile(self.samples), self.samples), np.float32)
        return intervals, ray_kernels.new_room(
            self.memory.channels, self.width, self.padded, self.samples
        )


def _slopes(
    triplane: Triplane,
    layers: TwoLayers,
    cast: Cast,
    needed: Sequence[bool],
    gradients: Sequence[Tensor],
) -> list[Tensor | None]:
    """The gradients of planes, hidden layer and output layer."""
    work = _Work(triplane, layers, cast)
    to_features, to_depth, to_opacity = gradients
    colors, batch = to_features.shape[-1], len(to_features)
    rows = (
        F.pad(to_features.detach(), (0, work.padded - colors)).flatten(1).numpy(),
        to_depth.detach().contiguous().numpy(),
        (to_opacity.detach()).contiguous().numpy(),
    )
    # The density comes after the colours; a sum has whole vectors, and one more if those are full.
    depth = -(-(colors + 1) // UNROLLED) * UNROLLED
    output_weight = layers.output_weight.detach()
    output_back = output_weight.new_zeros(depth, work.width)
    output_back[:colors], output_back[colors] = output_weight[1:], output_weight[0]
    back = (
        output_back.flatten().numpy(),
        layers.hidden_weight.detach().contiguous().flatten().numpy(),
        colors,
    )
    planes = triplane.planes
    count = PIECES if planes[0].numel() <= LARGE else PIECES_OF_LARGE
    wanted = needed[0], any(needed[1:])
    own = _like(planes) if wanted[0] else planes.new_zeros(batch, 1)
    others = [_like(planes) if wanted[0] else planes.new_zeros(batch, 1) for _ in range(count - 1)]
    targets = [_memory(tensor, triplane, wanted[0]) for tensor in (own, *others)]
    channels, length = work.memory.channels, work.padded + LANES
    sums = np.zeros(
        (batch, count, work.width * (channels + 1) + depth * work.width + length), np.float32
    )

    def add_piece(number: int) -> None:
        row, piece = divmod(number, count)
        floats, strides = targets[piece]
        start = row * strides[0] if wanted[0] else 0
        first, last = (len(cast.order[row]) * end // count for end in (piece, piece + 1))
        ends = np.cumsum([work.width * channels, work.width, depth * work.width])
        ray_kernels.composite_slopes(
            *work.arguments(row, back), tuple(total[row] for total in rows),
            (floats[start:], strides), tuple(np.split(sums[row, piece], ends)), wanted,
            *work.room(), row, first, last,
        )  # fmt: skip

    in_parallel(add_piece, batch * count)
    for other in others:
        own += other
    to_weights = (
        torch.from_numpy(sums)
        .sum((0, 1))
        .split([work.width * channels, work.width, depth * work.width, length])
    )
    to_hidden, to_hidden_bias = to_weights[0].view(work.width, channels), to_weights[1]
    by_output = to_weights[2].view(depth, work.width)
    to_output = torch.cat([by_output[colors : colors + 1], by_output[:colors]])
    to_output_bias = torch.cat([to_weights[3][colors : colors + 1], to_weights[3][:colors]])
    found = (own, to_hidden, to_hidden_bias, to_output, to_output_bias)
    return [one if is_needed else None for one, is_needed in zip(found, needed, strict=True)]


def _like(planes: Tensor) -> Tensor:
    """Zeros, a texel's channels side by side."""
    if planes.stride(2) == 1:
        zeros = torch.zeros_like(planes)
        if zeros.stride(2) == 1:
            return zeros
    batch, plane, channel, height, width = planes.shape
    return planes.new_zeros(batch, plane, height, width, channel).permute(0, 1, 4, 2, 3)


def _memory(tensor: Tensor, triplane: Triplane, is_planes: bool) -> tuple[np.ndarray, np.ndarray]:
    if not is_planes:
        return tensor.flatten().numpy(), np.zeros(4, np.int64)
    memory = lookup.PlaneMemory.of(triplane.with_planes(tensor))
    return memory.floats, memory.strides


def _again(
    triplane: Triplane,
    layers: TwoLayers,
    cast: Cast,
    inputs: tuple[Tensor, ...],
    needed: Sequence[bool],
    gradients: Sequence[Tensor],
) -> list[Tensor | None]:
    """The gradient by PyTorch's own operators, with a graph."""
    wanted = [tensor for tensor, is_needed in zip(inputs, needed, strict=True) if is_needed]
    sums = _readable(triplane.with_planes(inputs[0]), layers.with_parameters(*inputs[1:]), cast)
    found = iter(torch.autograd.grad(sums, wanted, gradients, create_graph=True, allow_unused=True))
    return [next(found) if is_needed else None for is_needed in needed]


def _readable(triplane: Triplane, layers: TwoLayers, cast: Cast) -> tuple[Tensor, Tensor, Tensor]:
    """What `composite` computes, by PyTorch's own operators."""
    batch, count, samples = cast.depths.shape
    is_cast = cast.depths.new_zeros(batch, count)
    for row, order in enumerate(cast.order):
        is_cast[row, torch.from_numpy(order)] = 1
    depths = torch.where(is_cast[..., None] > 0, cast.depths, torch.arange(1.0, samples + 1))
    points = cast.rays.at(depths).flatten(1, 2)
    features, logits = layers(triplane._sample(points), points)
    sums = readable_composite(
        features.unflatten(1, (count, samples)),
        logits[..., 0].unflatten(1, (count, samples)),
        depths,
        activation=ShiftedSoftplus(layers.density_gain),
    )
    return sums.features * is_cast[..., None], sums.depth * is_cast, sums.opacity * is_cast
