"""Rays at given depths through a triplane and a decoder of two layers, with gradients to planes and
weights.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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

PIECES = 2
"""Pieces of an image's gradient, each with planes of its own, so that the sums don't depend on the
number of threads or on the batch."""

TILES_AT_ONCE = 16
"""Tiles of a piece of work of the forward pass."""


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
        work = _Work(triplane, layers, cast)
        ctx.given, ctx.work = (triplane, layers, cast), work
        sums, depth, opacity = work.composite()
        colors = len(layers.output_bias) - 1
        features = sums[..., :colors] * 1.002 - 0.001 * opacity[..., None]  # as `Decoder.colors`
        return features, depth, opacity

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        planes, *weights = ctx.saved_tensors
        needed = ctx.needs_input_grad[:5]
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            triplane, layers, cast = ctx.given
            slopes = _again(triplane, layers, cast, (planes, *weights), needed, gradients)
        else:
            found = ctx.work.slopes(needed[0], any(needed[1:]), *gradients)
            slopes = [
                one if is_needed else None for one, is_needed in zip(found, needed, strict=True)
            ]
        return *slopes, None, None, None


class _Work:
    """The sums of what is cast, and their gradients.

    Attributes:
        known: logits and interval weights of the samples, by the rays' places in `order`, of the
            forward pass.
    """

    def __init__(self, triplane: Triplane, layers: TwoLayers, cast: Cast) -> None:
        self.planes = _dense(triplane.planes.detach())
        self.memory = lookup.PlaneMemory.of(triplane.with_planes(self.planes))
        hidden_layer, density, color_layer, prior = layers.arguments()
        empty = F.softplus(layers.hidden_bias.detach()).numpy()  # hidden values of no features
        self.layers = (hidden_layer, density, color_layer, prior, empty)
        self.output_weight = layers.output_weight.detach()
        self.hidden_weight = layers.hidden_weight.detach()
        self.gain = np.float32(layers.density_gain)
        self.origins, self.directions = (
            tensor.detach().contiguous().numpy()
            for tensor in (cast.rays.origins, cast.rays.directions)
        )
        self.order, self.depths = cast.order, cast.depths.detach().contiguous().numpy()
        self.known = np.empty((2, *self.depths.shape), np.float32)
        self.sizes = (
            *(self.memory.channels, len(layers.hidden_bias), len(color_layer[1])),
            self.depths.shape[-1],
        )

    def composite(self) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of colours before they are widened, padded, of depths and of weights."""
        batch, count, samples = self.depths.shape
        sums = self.planes.new_zeros(batch, count, self.sizes[2])
        depth, opacity = self.planes.new_zeros(2, batch, count)
        rows = sums.flatten(1).numpy(), depth.numpy(), opacity.numpy()
        size = TILES_AT_ONCE * ray_kernels.rays_of_tile(samples)
        pieces = [
            (row, piece)
            for row, order in enumerate(self.order)
            for piece in slices(len(order), size)
        ]
        rooms = _Rooms(lambda: (ray_kernels.new_room(*self.sizes),))

        def work(number: int) -> None:
            row, piece = pieces[number]
            with rooms.one() as room:
                ray_kernels.composite(
                    self.memory.arguments, self.layers, *self._rays(row),
                    tuple(total[row] for total in rows), *room, row, piece.start, piece.stop,
                )  # fmt: skip

        in_parallel(work, len(pieces))
        return sums, depth, opacity

    def slopes(
        self, of_planes: bool, of_weights: bool, to_features: Tensor, *to_others: Tensor
    ) -> tuple[Tensor, ...]:
        """The gradients of planes and of both layers' weights and biases; only those wanted are
        worked out.
        """
        batch, _, colors = to_features.shape
        channels, width, padded, _ = self.sizes
        to_sums = F.pad(to_features, (0, padded - colors)).flatten(1)
        gradients = [tensor.contiguous().numpy() for tensor in (to_sums, *to_others)]
        # The density comes after the colours; a sum has whole vectors, and one more if those are
        # full.
        depth = -(-(colors + 1) // UNROLLED) * UNROLLED
        outputs_back = self.output_weight.new_zeros(depth, width)
        outputs_back[: colors + 1] = self.output_weight.roll(-1, 0)
        hidden_back = self.hidden_weight.contiguous().flatten()
        back = outputs_back.flatten().numpy(), hidden_back.numpy(), colors
        shapes = ((width, channels), (width,), (depth, width), (padded + LANES,))
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        weight_slopes = np.zeros((batch, PIECES, ends[-1]), np.float32)
        like = self.planes if of_planes else self.planes.new_zeros(1)
        plane_slopes = [torch.zeros_like(like) for _ in range(PIECES)]
        flat = [
            one.as_strided((self.memory.floats.size if of_planes else 1,), (1,)).numpy()
            for one in plane_slopes
        ]
        rooms = _Rooms(
            lambda: (ray_kernels.new_room(*self.sizes), ray_kernels.new_room_back(*self.sizes))
        )

        def work(number: int) -> None:
            row, piece = divmod(number, PIECES)
            first, last = (len(self.order[row]) * end // PIECES for end in (piece, piece + 1))
            with rooms.one() as room:
                ray_kernels.composite_slopes(
                    self.memory.arguments, self.layers, back, *self._rays(row),
                    tuple(gradient[row] for gradient in gradients), flat[piece],
                    tuple(np.split(weight_slopes[row, piece], ends[:-1])), (of_planes, of_weights),
                    *room, row, first, last,
                )  # fmt: skip

        in_parallel(work, batch * PIECES)
        for other in plane_slopes[1:]:
            plane_slopes[0] += other
        hidden, hidden_bias, output, output_bias = (
            one.view(shape)
            for one, shape in zip(
                torch.from_numpy(weight_slopes)
                .sum((0, 1))
                .split(np.diff(ends, prepend=0).tolist()),
                shapes,
                strict=True,
            )
        )
        output, output_bias = (one[: colors + 1].roll(1, 0) for one in (output, output_bias))
        return plane_slopes[0], hidden, hidden_bias, output, output_bias

    def _rays(self, row: int) -> tuple[Any, ...]:
        """What is cast in a batch row."""
        return (
            (self.origins[row], self.directions[row]), self.order[row], self.depths[row], self.gain,
            (self.known[0, row], self.known[1, row]),
        )  # fmt: skip


class _Rooms:
    """Arrays that kernels work in, made once a thread."""

    def __init__(self, new: Callable[[], tuple[Any, ...]]) -> None:
        self.new, self.free = new, list[tuple[Any, ...]]()

    @contextmanager
    def one(self) -> Iterator[tuple[Any, ...]]:
        """A set of them that nobody else has."""
        try:
            room = self.free.pop()
        except IndexError:
            room = self.new()
        yield room
        self.free.append(room)


def _dense(planes: Tensor) -> Tensor:
    """The same planes, channels side by side, and without gaps or repetitions in memory."""
    planes = lookup.channels_last(planes)
    dense = torch.empty_like(planes)
    return planes if dense.stride() == planes.stride() else dense.copy_(planes)


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
