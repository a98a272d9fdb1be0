"""A `TriplaneField` at points in one kernel, where nothing needs a gradient."""

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
    """What `lookup.covers` says, whole vectors of hidden values, float32, and no gradient."""
    tensors = (triplane.planes, *points, *layers.parameters)
    return (
        lookup.covers(triplane, points[0])
        and triplane.planes.shape[2] == layers.hidden_weight.shape[1]
        and len(layers.hidden_bias) % LANES == 0
        and all(tensor.dtype == torch.float32 for tensor in tensors)
        and not (torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors))
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
