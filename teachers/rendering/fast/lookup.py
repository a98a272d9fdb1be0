"""`Triplane.sample` in kernels, with gradients to planes and points."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from . import lookup_kernels
from .threads import in_parallel, slices
from .vectors import LANES

if TYPE_CHECKING:
    from ..triplane import Triplane

POINTS_AT_ONCE = 4096
"""Points of a piece of work: thousands, so that handing it out costs nothing."""


def covers(triplane: "Triplane", points: Tensor) -> bool:
    """Whether `look_up` takes these: square single planes of whole vectors of float32 channels, on
    a CPU, in plain tensors (a compiler's or exporter's have no memory to read).
    """
    planes = triplane.planes
    return (
        triplane.depth == 1
        and triplane.aggregation == "mean"
        and planes.shape[2] % LANES == 0
        and planes.shape[3] == planes.shape[4]
        and planes.numel() > 0
        and is_plain(planes)
        and is_plain(points)
    )


def is_plain(tensor: Tensor) -> bool:
    """Float32 on a CPU with a memory to read: what a compiler or exporter passes has none."""
    return (
        type(tensor) in (Tensor, torch.nn.Parameter)
        and tensor.device.type == "cpu"
        and tensor.dtype == torch.float32
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[no-untyped-call]
    )


@dataclass(frozen=True)
class PlaneMemory:
    """Planes as kernels see them.

    Attributes:
        triplane: whose memory it is.
        floats: the memory from the first to the last number.
        strides: distances in it between batch rows, planes, texel rows and columns; channels are
            neighbours.
        axes: number of the coordinate along the columns and along the rows of each plane.
        scale: world units → [-1, 1] of the box.
        size, channels: of a plane.
    """

    triplane: "Triplane"
    floats: np.ndarray
    strides: np.ndarray
    axes: np.ndarray
    scale: np.float32
    size: int
    channels: int

    @classmethod
    def of(cls, triplane: "Triplane") -> "PlaneMemory":
        """Copies the planes where channels aren't neighbours yet."""
        planes = channels_last(triplane.planes.detach())
        batch_plane_row_column = tuple(planes.stride(axis) for axis in (0, 1, 3, 4))
        length = 1 + sum(
            (count - 1) * stride
            for count, stride in zip(planes.shape, planes.stride(), strict=True)
        )
        return cls(
            triplane=triplane,
            floats=planes.as_strided((length,), (1,)).numpy(),
            strides=np.array(batch_plane_row_column),
            axes=np.array(
                [["xyz".index(axis) for axis in axes] for axes in triplane.axes], np.intp
            ),
            scale=np.float32(2 / triplane.box_size),
            size=planes.shape[-1],
            channels=planes.shape[2],
        )

    @property
    def arguments(self) -> tuple[Any, ...]:
        """`planes` as kernels take them."""
        return self.floats, self.strides, self.axes, self.scale, self.size, self.channels


def channels_last(
    planes: Float[Tensor, "batch 3 channel height width"],
) -> Float[Tensor, "batch 3 channel height width"]:
    """The same planes with a texel's channels side by side in memory."""
    if planes.stride(2) == 1:
        return planes
    return planes.permute(0, 1, 3, 4, 2).contiguous().permute(0, 1, 4, 2, 3)


Readable = Callable[[Tensor, Tensor], Tensor]


def sample(triplane: "Triplane", points: Tensor, readable: Readable) -> Tensor:
    """Features `[batch point channel]` at world points (see `covers`).

    The gradient can be differentiated again: it is then that of `readable`, which takes planes and
    points.
    """
    features: Tensor = _LookUp.apply(triplane.planes, points, triplane, readable)  # type: ignore[no-untyped-call]
    return features


class _LookUp(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, planes: Tensor, points: Tensor, triplane: "Triplane", readable: Readable
    ) -> Tensor:
        memory = PlaneMemory.of(triplane)
        ctx.save_for_backward(planes, points)
        ctx.memory, ctx.readable = memory, readable
        features = points.new_empty(*points.shape[:2], memory.channels)
        rows = _rows(points), _rows(features)
        _for_pieces_of_points(
            points,
            lambda row, piece: lookup_kernels.look_up(
                memory.arguments,
                *(r[row] for r in rows),
                lookup_kernels.new_taps(),
                row,
                piece.start,
                piece.stop,
            ),
        )
        return features

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        planes, points = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            return (
                *_again(ctx.readable, planes, points, gradient, ctx.needs_input_grad[:2]),
                None,
                None,
            )
        to_planes, to_points = ctx.needs_input_grad[:2]
        return (
            _gradient_of_planes(ctx.memory, planes, points, gradient) if to_planes else None,
            _gradient_of_points(ctx.memory, points, gradient) if to_points else None,
            None,
            None,
        )


def _gradient_of_planes(
    memory: PlaneMemory, planes: Tensor, points: Tensor, gradient: Tensor
) -> Tensor:
    """Channels last, as the kernel adds them up."""
    batch, plane, channel, height, width = planes.shape
    gradients = planes.new_zeros(batch, plane, height, width, channel).permute(0, 1, 4, 2, 3)
    target = PlaneMemory.of(memory.triplane.with_planes(gradients))
    rows = _rows(points), _rows(gradient)
    shares = list(itertools.product(range(batch), range(plane), range(0, channel, LANES)))

    def work(number: int) -> None:
        row, plane, channel = shares[number]
        lookup_kernels.add_to_planes(
            target.arguments,
            *(r[row] for r in rows),
            lookup_kernels.new_taps(),
            row,
            plane,
            channel,
            0,
            points.shape[1],
        )

    in_parallel(work, len(shares))
    return gradients


def _gradient_of_points(memory: PlaneMemory, points: Tensor, gradient: Tensor) -> Tensor:
    slopes = torch.empty_like(points, memory_format=torch.contiguous_format)
    rows = _rows(points), _rows(gradient), _rows(slopes)
    _for_pieces_of_points(
        points,
        lambda row, piece: lookup_kernels.slopes_at_points(
            memory.arguments,
            *(r[row] for r in rows),
            lookup_kernels.new_taps(),
            row,
            piece.start,
            piece.stop,
        ),
    )
    return slopes


def _again(
    readable: Readable,
    planes: Tensor,
    points: Tensor,
    gradient: Tensor,
    needed: tuple[bool, bool],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradient of the readable code, with a graph."""
    inputs = [
        tensor for tensor, is_needed in zip((planes, points), needed, strict=True) if is_needed
    ]
    gradients = iter(
        torch.autograd.grad(readable(planes, points), inputs, gradient, create_graph=True)
    )
    to_planes, to_points = (next(gradients) if is_needed else None for is_needed in needed)
    return to_planes, to_points


def _for_pieces_of_points(points: Tensor, work: Callable[[int, slice], None]) -> None:
    batch, count, _ = points.shape
    pieces = [(row, piece) for row in range(batch) for piece in slices(count, POINTS_AT_ONCE)]
    in_parallel(lambda number: work(*pieces[number]), len(pieces))


def _rows(tensor: Tensor) -> np.ndarray:
    """The memory of every batch row."""
    return tensor.detach().contiguous().flatten(1).numpy()
