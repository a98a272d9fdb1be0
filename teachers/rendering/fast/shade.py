"""A `TriplaneField` at points in one kernel, with a gradient to the planes."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..triplane import Triplane
from ..two_layers import TwoLayers
from . import lookup, shade_kernels
from .threads import in_parallel, slices
from .vectors import LANES

POINTS_AT_ONCE = 4 * shade_kernels.PIECE
"""Points of a piece of work."""


def covers(triplane: Triplane, layers: TwoLayers, *points: Tensor) -> bool:
    """What `covers_planes` says, and no gradient."""
    return covers_planes(triplane, layers, *points) and not (
        torch.is_grad_enabled() and triplane.planes.requires_grad
    )


def covers_planes(triplane: Triplane, layers: TwoLayers, *points: Tensor) -> bool:
    """What `lookup.covers` says, whole vectors of hidden values, float32, and no gradient but the
    planes'.
    """
    constant = (*points, *layers.parameters)
    return (
        lookup.covers(triplane, points[0])
        and triplane.planes.shape[2] == layers.hidden_weight.shape[1]
        and len(layers.hidden_bias) % LANES == 0
        and all(tensor.dtype == torch.float32 for tensor in constant)
        and not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in constant))
    )


def shade(
    triplane: Triplane,
    layers: TwoLayers,
    points: Float[Tensor, "batch point 3"],
    *,
    has_colors: bool = True,
) -> tuple[Float[Tensor, "batch point feature"], Float[Tensor, "batch point 1"]]:
    """Colours (none if `has_colors` is False) and density logits at world points (see `covers`)."""
    batch, count, _ = points.shape
    channels = len(layers.output_bias) - 1 if has_colors else 0
    colors = points.new_empty(batch, count, channels)
    logits = points.new_empty(batch, count, 1)
    memory, arguments = lookup.PlaneMemory.of(triplane), layers.arguments()
    sizes = memory.channels, len(layers.hidden_bias), len(arguments[2][1])
    flat_points = points.detach().contiguous().flatten(1).numpy()
    flat_logits, rows_of_colors = logits.flatten(1).numpy(), colors.numpy()
    pieces = [(row, piece) for row in range(batch) for piece in slices(count, POINTS_AT_ONCE)]

    def work(number: int) -> None:
        row, piece = pieces[number]
        shade_kernels.shade(
            memory.arguments, *arguments, flat_points[row], flat_logits[row], rows_of_colors[row],
            shade_kernels.new_room(*sizes), row, piece.start, piece.stop,
        )  # fmt: skip

    in_parallel(work, len(pieces))
    return colors, logits


Readable = Callable[[Tensor], tuple[Tensor, Tensor]]


def shade_with_gradient(
    triplane: Triplane, layers: TwoLayers, points: Tensor, readable: Readable
) -> tuple[Tensor, Tensor]:
    """Colours and density logits, with a gradient to the planes (see `covers_planes`).

    The gradient can be differentiated again: it is then that of `readable`, which takes planes.
    """
    values: tuple[Tensor, Tensor] = _Shade.apply(
        triplane.planes, triplane, layers, points, readable
    )  # type: ignore[no-untyped-call]
    return values


class _Shade(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        planes: Tensor,
        triplane: Triplane,
        layers: TwoLayers,
        points: Tensor,
        readable: Readable,
    ) -> tuple[Tensor, Tensor]:
        colors, logits = shade(triplane, layers, points)
        ctx.save_for_backward(planes, points, colors)
        ctx.triplane, ctx.layers, ctx.readable = triplane, layers, readable
        return colors, logits

    @staticmethod
    def backward(
        ctx: Any, to_colors: Tensor, to_logits: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        planes, points, colors = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            gradients = (to_colors, to_logits)
            (again,) = torch.autograd.grad(
                ctx.readable(planes), planes, gradients, create_graph=True
            )
            return again, None, None, None, None
        memory = lookup.PlaneMemory.of(ctx.triplane.with_planes(planes))
        slopes = _feature_slopes(memory, ctx.layers, points, colors, to_colors, to_logits)
        return lookup.gradient_of_planes(memory, planes, points, slopes), None, None, None, None


def _feature_slopes(
    memory: lookup.PlaneMemory,
    layers: TwoLayers,
    points: Tensor,
    colors: Tensor,
    to_colors: Tensor,
    to_logits: Tensor,
) -> Tensor:
    """The gradient of the plane features `[batch point channel]`."""
    batch, count, _ = points.shape
    slopes = points.new_zeros(batch, count, memory.channels)
    hidden_layer = layers.arguments()[0]
    backwards, outputs = layers.backwards()
    rows = [
        tensor.detach().contiguous().numpy()
        for tensor in (points.flatten(1), colors, to_colors, to_logits[..., 0], slopes.flatten(1))
    ]
    sizes = memory.channels, len(layers.hidden_bias), outputs
    gain = np.float32(1 if layers.ellipsoids is None else layers.logit_gain)
    pieces = [(row, piece) for row in range(batch) for piece in slices(count, POINTS_AT_ONCE)]

    def work(number: int) -> None:
        row, piece = pieces[number]
        shade_kernels.feature_slopes(
            memory.arguments, hidden_layer, backwards, gain, *(r[row] for r in rows),
            shade_kernels.new_slopes_room(*sizes), row, piece.start, piece.stop,
        )  # fmt: skip

    in_parallel(work, len(pieces))
    return slopes
