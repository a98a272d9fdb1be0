"""`proposals.march_proposals` in kernels, with gradients to planes and weights."""

import numpy as np
import torch
from torch import Tensor

from ..camera import Camera, Rays
from ..compositing import expected_depth
from ..marching import RayColors, RaySampling
from ..rendering import RayJitter
from ..triplane import Triplane
from ..two_layers import TwoLayers
from . import proposal_kernels
from . import rays as fast_rays
from .lookup import PlaneMemory
from .march import LayeredField
from .threads import in_parallel, slices

RAYS_AT_ONCE = 8 * proposal_kernels.TILE
"""Rays of a piece of work of the first pass."""

LINES_AT_ONCE = 4
"""Rows of blocks of a piece of work of the second."""


def march(
    field: object,
    camera: Camera,
    resolution: int,
    sampling: RaySampling,
    jitter: RayJitter | None,
    emptiest: float,
) -> RayColors | None:
    """As `march_proposals`; None for what the kernels don't cover: see `rays.covers`.

    Args:
        emptiest: rays in a neighbourhood of less opacity are left out.
    """
    layers = field.two_layers() if isinstance(field, LayeredField) else None
    rays = camera.rays(resolution)
    if layers is None or not fast_rays.covers(field.triplane, layers, rays):  # type: ignore[attr-defined]
        return None
    triplane: Triplane = field.triplane  # type: ignore[attr-defined]
    with torch.no_grad():
        coarse = camera.rays(resolution // 2)
        depths, weights = first_pass(triplane, layers, coarse, sampling, jitter, resolution)
        samples, sees = _place(depths, weights, resolution, sampling, jitter, emptiest)
        nearest, farthest = depths.amin((1, 2)), depths.amax((1, 2))
    cast = fast_rays.Cast(rays, [_by_columns(row, resolution) for row in sees.numpy()], samples)
    features, depth, opacity = fast_rays.composite(triplane, layers, cast)
    depth = torch.where(sees, expected_depth(depth, opacity), torch.inf)
    return RayColors(
        features, depth.clamp(nearest[:, None], farthest[:, None]), opacity, nearest, farthest
    )


def first_pass(
    triplane: Triplane,
    layers: TwoLayers,
    rays: Rays,
    sampling: RaySampling,
    jitter: RayJitter | None,
    resolution: int,
) -> tuple[Tensor, Tensor]:
    """Depths and interval weights of the rays of a coarse image; `jitter` is of a finer one."""
    batch, count, _ = rays.directions.shape
    memory, limits = PlaneMemory.of(triplane), sampling.limits(rays)
    hidden_layer, density, _, prior = layers.arguments()
    lines = [
        tensor.detach().contiguous().numpy()
        for tensor in (rays.origins, rays.directions, limits.near, limits.far)
    ]
    samples = sampling.depth_samples
    offsets = np.full((1, 1, samples), 0.5, np.float32)
    if jitter is not None:  # of the top left of every 2x2 pixels
        image = jitter.coarse.unflatten(1, (resolution, resolution))
        offsets = image[:, ::2, ::2].flatten(1, 2).float().contiguous().numpy()
    depths = rays.directions.new_empty(batch, count, samples)
    weights = rays.directions.new_empty(batch, count, samples - 1)
    pieces = [(row, piece) for row in range(batch) for piece in slices(count, RAYS_AT_ONCE)]

    def work(number: int) -> None:
        row, piece = pieces[number]
        proposal_kernels.first_pass(
            memory.arguments, hidden_layer, density, prior, tuple(line[row] for line in lines),
            offsets[row % len(offsets)], sampling.in_disparity, np.float32(layers.density_gain),
            depths[row].numpy(), weights[row].numpy(),
            proposal_kernels.new_room(memory.channels, len(layers.hidden_bias), samples),
            row, piece.start, piece.stop,
        )  # fmt: skip

    in_parallel(work, len(pieces))
    return depths, weights


def _place(
    depths: Tensor,
    weights: Tensor,
    resolution: int,
    sampling: RaySampling,
    jitter: RayJitter | None,
    emptiest: float,
) -> tuple[Tensor, Tensor]:
    """Sorted samples of every pixel, and which pixels see anything."""
    batch, coarse, fine = len(depths), sampling.depth_samples, sampling.importance_samples
    offsets = ((torch.arange(fine) + 0.5) / fine)[None, None].numpy()
    if jitter is not None:
        offsets = jitter.fine.float().contiguous().numpy()
    samples = depths.new_empty(batch, resolution**2, fine)
    sees = torch.empty(batch, resolution**2, dtype=torch.bool)
    rows = [tensor.numpy() for tensor in (depths, weights, samples, sees)]
    half = resolution // 2
    pieces = [(row, piece) for row in range(batch) for piece in slices(half, LINES_AT_ONCE)]

    def work(number: int) -> None:
        row, piece = pieces[number]
        depth, weight, sample, see = (tensor[row] for tensor in rows)
        proposal_kernels.place_samples(
            depth, weight, offsets[row % len(offsets)], np.float32(emptiest), half, sample, see,
            proposal_kernels.new_drawing_room(coarse, fine), piece.start, piece.stop,
        )  # fmt: skip

    in_parallel(work, len(pieces))
    return samples, sees


def _by_columns(sees: np.ndarray, resolution: int) -> np.ndarray:
    """Numbers of the rays that see anything, column by column: such rays look at the same texels of
    two of EG3D's planes.
    """
    columns, lines = np.nonzero(sees.reshape(resolution, resolution).T)
    return lines * resolution + columns
