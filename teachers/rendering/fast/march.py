"""`marching.march` in one kernel, for pictures without gradient."""

import math
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ..camera import Rays
from ..depths import DepthLimits
from ..rendering import RayJitter
from ..triplane import Triplane
from ..two_layers import TwoLayers
from . import lookup, march_kernels, shade
from .threads import in_parallel, slices

if TYPE_CHECKING:
    from ..marching import RayColors, RaySampling


@runtime_checkable
class LayeredField(Protocol):
    """A decoder over a triplane that may be two layers."""

    triplane: Triplane

    def two_layers(self) -> TwoLayers | None:
        """The decoder's layers, if that is what it is."""
        ...


RAYS_AT_ONCE = 32 * march_kernels.TILE
"""Rays of a piece of work."""


def march(
    field: object,
    rays: Rays,
    limits: DepthLimits,
    sampling: "RaySampling",
    jitter: RayJitter | None,
) -> "RayColors | None":
    """As `marching.march`; None for what the kernel doesn't cover: see `_covers`."""
    from ..marching import RayColors

    layers = field.two_layers() if isinstance(field, LayeredField) else None
    if layers is None or not _covers(field.triplane, layers, rays, sampling, jitter):  # type: ignore[attr-defined]
        return None
    sums = _composited(field.triplane, layers, rays, limits, sampling, jitter)  # type: ignore[attr-defined]
    features, depth, opacity, first, last = sums
    nearest, farthest = first.amin(1), last.amax(1)
    depth = depth.clamp(nearest[:, None], farthest[:, None])
    return RayColors(features, depth, opacity, nearest, farthest)


def _covers(
    triplane: Triplane,
    layers: TwoLayers,
    rays: Rays,
    sampling: "RaySampling",
    jitter: RayJitter | None,
) -> bool:
    """What `shade.covers` says, and not the official code's quirks."""
    return (
        sampling.compat == "none"
        and shade.covers(triplane, layers, rays.directions, rays.origins)
        and (
            jitter is None
            or (jitter.coarse.shape[-1], jitter.fine.shape[-1])
            == (sampling.depth_samples, sampling.importance_samples)
        )
    )


def _composited(
    triplane: Triplane,
    layers: TwoLayers,
    rays: Rays,
    limits: DepthLimits,
    sampling: "RaySampling",
    jitter: RayJitter | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Features, expected depth, opacity, first and last depth of every ray."""
    samples = (sampling.depth_samples, sampling.importance_samples)
    batch, count, _ = rays.directions.shape
    hidden_layer, density, color_layer, prior = layers.arguments()
    colors = len(layers.output_bias) - 1
    sums = rays.directions.new_zeros(batch, count, len(color_layer[1]))  # type: ignore[arg-type]
    depth, opacity, nearest, farthest = rays.directions.new_empty(4, batch, count)
    memory = lookup.PlaneMemory.of(triplane)
    lines = [
        tensor.detach().contiguous().numpy()
        for tensor in (rays.origins, rays.directions, limits.near, limits.far)
    ]
    coarse, fine = _jitter_rows(jitter, batch, samples)
    side = math.isqrt(count)
    side = side if side * side == count else 0
    settings = (*samples, sampling.in_disparity, np.float32(layers.density_gain), side)
    totals = [tensor.numpy() for tensor in (sums.flatten(1), depth, opacity, nearest, farthest)]
    pieces = [(row, piece) for row in range(batch) for piece in slices(count, RAYS_AT_ONCE)]

    sizes = memory.channels, len(layers.hidden_bias), len(color_layer[1]), *samples

    def work(number: int) -> None:
        row, piece = pieces[number]
        march_kernels.march(
            memory.arguments, hidden_layer, density, color_layer, prior,
            tuple(line[row] for line in lines), (coarse[row % len(coarse)], fine[row % len(fine)]),
            settings, tuple(total[row] for total in totals),
            march_kernels.new_room(*sizes), row, piece.start, piece.stop,
        )  # fmt: skip

    in_parallel(work, len(pieces))
    features = sums[..., :colors] * 1.002 - 0.001 * opacity[..., None]  # as `Decoder.colors`
    return features, depth, opacity, nearest, farthest


def _jitter_rows(
    jitter: RayJitter | None, batch: int, samples: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Jitter of both passes `[batch ray sample]`; of one ray for all where none is given."""
    if jitter is not None:
        coarse, fine = jitter.coarse, jitter.fine
    else:
        coarse = torch.full((1, 1, samples[0]), 0.5)
        fine = ((torch.arange(samples[1]) + 0.5) / max(samples[1], 1))[None, None]
    return tuple(tensor.detach().float().contiguous().numpy() for tensor in (coarse, fine))  # type: ignore[return-value]
