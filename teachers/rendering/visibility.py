"""Which parts of a scene a camera sees: of another camera's pixels, and of a triplane's texels."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from .camera import Camera
from .triplane import Triplane

OPAQUE = 0.5


def visible_from(
    points: Float[Tensor, "batch point 3"],
    camera: Camera,
    depth: Float[Tensor, "batch 1 height width"],
    opacity: Float[Tensor, "batch 1 height width"],
    *,
    tolerance: float = 0.03,
) -> Bool[Tensor, "batch point"]:
    """Whether a camera sees points of a surface: they project into its picture, and nothing opaque
    lies more than `tolerance` (world units) before them.

    Args:
        points: in world space.
        camera: that may see them.
        depth: of its picture, distances from its centre.
        opacity: of its picture; transparent pixels hide nothing, and show no surface either.
        tolerance: for the depth of neighbouring pixels on a slanted surface.
    """
    positions, distances = camera.project(points)
    grid = (positions * 2 - 1)[:, :, None]
    seen, covered = (
        F.grid_sample(values, grid, mode="nearest", padding_mode="zeros", align_corners=False)
        for values in (depth, opacity)
    )
    is_inside = ((positions > 0) & (positions < 1)).all(-1)
    is_first = distances <= seen[:, 0, :, 0] + tolerance
    return is_inside & is_first & (covered[:, 0, :, 0] > OPAQUE)


def seen_texels(
    triplane: Triplane,
    camera: Camera,
    depth: Float[Tensor, "batch 1 height width"],
    opacity: Float[Tensor, "batch 1 height width"],
    *,
    spread: int = 3,
) -> Float[Tensor, "batch 3 1 plane_height plane_width"]:
    """The visibility triplane of a picture: 1 where the surface that a camera sees projects onto a
    plane's texel, 0 elsewhere.

    Args:
        triplane: whose axes, box and size the planes have.
        camera: that took the picture; square.
        depth: distances from its centre.
        opacity: of its pixels; transparent ones see nothing.
        spread: side, in texels, of what each point of the surface covers (odd): a picture coarser
            than the planes would leave holes.
    """
    batch, _, height, width = depth.shape
    assert height == width and spread % 2 == 1
    points = camera.rays(height).at(depth.reshape(batch, -1, 1))[:, :, 0]
    is_there = (opacity.reshape(batch, -1) > OPAQUE) & depth.reshape(batch, -1).isfinite()
    rows, columns = triplane.planes.shape[-2:]
    found = depth.new_zeros(batch, 3, rows * columns)
    for plane, axes in enumerate(triplane.axes):
        across, down = (points[..., "xyz".index(axis)] / triplane.box_size + 0.5 for axis in axes)
        column, row = (across * columns).floor().long(), (down * rows).floor().long()
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows) & is_there
        place = (row * columns + column).where(inside, torch.zeros_like(row))
        found[:, plane].scatter_reduce_(1, place, inside.to(depth), "amax")
    return F.max_pool2d(
        found.reshape(batch * 3, 1, rows, columns), spread, stride=1, padding=spread // 2
    ).reshape(batch, 3, 1, rows, columns)
