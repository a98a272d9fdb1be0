"""Pictures of Gaussian discs with gradients, for their refinement.

EWA projection (Zwicker et al. 2001, eq. 31) and blending front to back with the constants of the
published renderer (Kerbl et al. 2023, eq. 3 and 5): 0.3 px² of low pass, alpha from 1/255 to 0.99,
a pixel is done once less than 1e-4 of the light is left.
"""

import math
from typing import Any, no_type_check

import numpy as np
import torch
from jaxtyping import Float
from numba import njit
from torch import Tensor

from teachers.rendering.camera import Camera

LOW_PASS, FAINTEST, HIGHEST, OPAQUE = 0.3, 1 / 255, 0.99, 1e-4


def draw_discs(
    discs: dict[str, Tensor], camera: Camera, size: int
) -> tuple[Float[Tensor, "size size 3"], Float[Tensor, "size size"]]:
    """What the discs add to a picture, and how much of the background is seen.

    Args:
        discs: centers `[disc 3]` and normals `[disc 3]` in world axes, radius, thickness (standard
            deviations in world units) and opacity `[disc]`, colors `[disc 3]`.
        camera: one.
        size: side of the picture.

    Returns:
        differentiable in all but the normals.
    """
    axes, place = camera.cam_to_world[0, :3, :3], camera.cam_to_world[0, :3, 3]
    intrinsics = camera.intrinsics[0] * size
    fx, fy = intrinsics[0, 0], intrinsics[1, 1]
    x, y, z = ((discs["centers"] - place) @ axes).T
    middle = torch.stack([fx * x / z + intrinsics[0, 2], fy * y / z + intrinsics[1, 2]], 1)
    # the covariance of a disc is r² (1 - n nᵀ) + t² n nᵀ; the projection's rows are a and b
    normals = discs["normals"] @ axes
    zero = torch.zeros_like(z)
    a = torch.stack([fx / z, zero, -fx * x / z**2], 1)
    b = torch.stack([zero, fy / z, -fy * y / z**2], 1)
    square = discs["radius"] ** 2
    flat = discs["thickness"] ** 2 - square
    along_a, along_b = (a * normals).sum(1), (b * normals).sum(1)
    xx = square * (a * a).sum(1) + flat * along_a**2 + LOW_PASS
    xy = square * (a * b).sum(1) + flat * along_a * along_b
    yy = square * (b * b).sum(1) + flat * along_b**2 + LOW_PASS
    determinant = xx * yy - xy**2
    precision = torch.stack([yy, -xy, xx], 1) / determinant[:, None]
    with torch.no_grad():
        middle_of = (xx + yy) / 2
        reach = 3.4 * (middle_of + (middle_of**2 - determinant).clamp(min=0).sqrt()).sqrt()
        order = torch.argsort(z)
    drawn: tuple[Tensor, Tensor] = _Blended.apply(
        middle, precision, discs["opacity"], discs["colors"], reach, order, size
    )
    return drawn


class _Blended(torch.autograd.Function):
    """Blending of projected Gaussians; see `draw_discs`."""

    @staticmethod
    def forward(
        ctx: Any,
        middle: Tensor,
        precision: Tensor,
        opacity: Tensor,
        colors: Tensor,
        reach: Tensor,
        order: Tensor,
        size: int,
    ) -> tuple[Tensor, Tensor]:
        given = [
            np.ascontiguousarray(tensor.detach().numpy())
            for tensor in (order, middle, precision, reach, opacity, colors)
        ]
        picture = np.zeros((size, size, 3), given[-1].dtype)
        through = np.ones((size, size), given[-1].dtype)
        done = np.full((size, size), len(given[0]), np.int64)
        _blend(*given, picture, through, done)
        ctx.given, ctx.drawn = given, (through, done)
        return torch.from_numpy(picture), torch.from_numpy(through)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        order, middle, precision, reach, opacity, colors = ctx.given
        through, done = ctx.drawn
        found = [np.zeros_like(each) for each in (middle, precision, opacity, colors)]
        _blend_back(
            *(order, middle, precision, reach, opacity, colors),
            *(through.copy(), done),
            *(np.ascontiguousarray(slope.numpy()) for slope in slopes),
            *found,
        )
        return (*(torch.from_numpy(each) for each in found), None, None, None)


@njit(cache=True, nogil=True)
@no_type_check
def _span(middle, reach, size):
    """First and behind the last pixel."""
    return max(int(middle - reach), 0), min(int(middle + reach) + 2, size)


@njit(cache=True, nogil=True)
@no_type_check
def _shown(dx, dy, precision, opacity):
    """A disc at a pixel: its shape in [0, 1], and how much it covers."""
    p, q, r = precision
    shape = math.exp(-0.5 * (p * dx * dx + 2 * q * dx * dy + r * dy * dy))
    return shape, min(HIGHEST, opacity * shape)


@njit(cache=True, nogil=True)
@no_type_check
def _blend(order, middle, precision, reach, opacity, colors, picture, through, done):
    size = len(picture)
    for position in range(len(order)):
        k = order[position]
        u, v = middle[k]
        top, bottom = _span(v, reach[k], size)
        left, right = _span(u, reach[k], size)
        for row in range(top, bottom):
            for column in range(left, right):
                if done[row, column] < position:
                    continue
                dx, dy = column + 0.5 - u, row + 0.5 - v
                _, alpha = _shown(dx, dy, precision[k], opacity[k])
                if alpha < FAINTEST:
                    continue
                light = through[row, column]
                if light * (1 - alpha) < OPAQUE:
                    done[row, column] = position
                    continue
                for channel in range(3):
                    picture[row, column, channel] += light * alpha * colors[k, channel]
                through[row, column] = light * (1 - alpha)


@njit(cache=True, nogil=True)
@no_type_check
def _blend_back(
    order, middle, precision, reach, opacity, colors, through, done,
    picture_slope, through_slope, middle_out, precision_out, opacity_out, colors_out,
):  # fmt: skip
    """Back to front: `behind` is the slope's product with all that lies behind a disc."""
    size = len(through)
    behind = through * through_slope
    for position in range(len(order) - 1, -1, -1):
        k = order[position]
        u, v = middle[k]
        p, q, r = precision[k]
        top, bottom = _span(v, reach[k], size)
        left, right = _span(u, reach[k], size)
        for row in range(top, bottom):
            for column in range(left, right):
                if done[row, column] <= position:
                    continue
                dx, dy = column + 0.5 - u, row + 0.5 - v
                shape, alpha = _shown(dx, dy, precision[k], opacity[k])
                if alpha < FAINTEST:
                    continue
                light = through[row, column] / (1 - alpha)
                through[row, column] = light
                own = 0.0
                for channel in range(3):
                    slope = picture_slope[row, column, channel]
                    own += slope * colors[k, channel]
                    colors_out[k, channel] += slope * light * alpha
                steep = light * own - behind[row, column] / (1 - alpha)
                behind[row, column] += light * alpha * own
                if alpha >= HIGHEST:
                    continue
                opacity_out[k] += steep * shape
                steep *= alpha
                middle_out[k, 0] += steep * (p * dx + q * dy)
                middle_out[k, 1] += steep * (q * dx + r * dy)
                precision_out[k, 0] -= steep * 0.5 * dx * dx
                precision_out[k, 1] -= steep * dx * dy
                precision_out[k, 2] -= steep * 0.5 * dy * dy
