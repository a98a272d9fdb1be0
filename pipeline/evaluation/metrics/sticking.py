"""Texture sticking: detail of pictures that stays on the screen when the camera moves, instead of
moving with the surface (Karras et al., "Alias-Free Generative Adversarial Networks", 2021).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

SOLID = 0.95
LEAST_EXPLAINED = 0.05
"""Share of the detail below which nothing is said of how it moves."""


@dataclass(frozen=True)
class Sticking:
    """How the detail of two views moves.

    Attributes:
        score: share that stays on the screen of what moves with one of the two: 0 is painted on the
            surface, 1 on the screen. NaN where too little moves with either.
        surface, screen: shares of the detail that move with the surface and that stay. They add up
            to 1, less what does neither: wrong depth, light that depends on the view,
            foreshortening, resampling.
        detail: root mean square of the detail, of colours in [-1, 1].
        pixels: share of the solid pixels that were compared.
    """

    score: float
    surface: float
    screen: float
    detail: float
    pixels: float


@dataclass(frozen=True)
class _View:
    """Band-passed image, where it is solid, and its depth, at the image's side."""

    detail: Float[Tensor, "batch 3 height width"]
    solid: Float[Tensor, "batch 1 height width"]
    depth: Float[Tensor, "batch 1 height width"]
    camera: Camera


def texture_sticking(
    first: Rendering,
    first_camera: Camera,
    second: Rendering,
    second_camera: Camera,
    *,
    sigma: float = 1.0,
    tolerance: float = 0.03,
) -> Sticking:
    """Compares the detail of each view with the other's, once at the pixel that shows the same
    point of the surface, once at the same pixel (docs/metrics.md has the equations).

    Args:
        first, first_camera, second, second_camera: two views of the same subjects, whose cameras
            are a few pixels apart on the surface; depths and opacities may be of a lower resolution
            than the images.
        sigma: the detail is what a Gaussian of so many pixels leaves over one of twice as many.
            Points that move by less than twice this aren't compared.
        tolerance: largest depth difference (world units) of the same surface.
    """
    one, other = _view(first, first_camera, sigma), _view(second, second_camera, sigma)
    sums = _sums(one, other, 2 * sigma, tolerance) + _sums(other, one, 2 * sigma, tolerance)
    energy, ss, tt, st, hs, ht, compared, solid = sums.tolist()
    pixels = compared / max(solid, 1.0)
    # Least squares of h = α s + β t (docs/metrics.md).
    determinant = ss * tt - st * st
    if determinant <= 1e-6 * ss * tt:
        return Sticking(math.nan, math.nan, math.nan, 0.0, pixels)
    surface = (tt * hs - st * ht) / determinant
    screen = (ss * ht - st * hs) / determinant
    moving, standing = max(surface, 0.0), max(screen, 0.0)
    is_explained = moving + standing > LEAST_EXPLAINED
    return Sticking(
        score=standing / (moving + standing) if is_explained else math.nan,
        surface=surface,
        screen=screen,
        detail=math.sqrt(energy / (3 * compared)),
        pixels=pixels,
    )


def _view(rendering: Rendering, camera: Camera, sigma: float) -> _View:
    image = rendering.image
    side = image.shape[-1]

    def enlarged(x: Tensor) -> Tensor:
        if x.shape[-1] == side:
            return x
        return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)

    depth, opacity = enlarged(rendering.depth), enlarged(rendering.opacity)
    # Pixels at an edge of the silhouette mix with the background.
    solid = 1 - F.max_pool2d(1 - (opacity > SOLID).to(image), 3, 1, 1)
    narrow, wide = (_blurred(image, solid, width) for width in (sigma, 2 * sigma))
    return _View((narrow - wide) * solid, solid, depth, camera)


def _blurred(
    image: Float[Tensor, "batch 3 height width"],
    solid: Float[Tensor, "batch 1 height width"],
    sigma: float,
) -> Float[Tensor, "batch 3 height width"]:
    """Gaussian means over the solid pixels alone."""
    reach = math.ceil(3 * sigma)
    place = torch.arange(-reach, reach + 1, device=image.device, dtype=image.dtype)
    kernel = torch.exp(-0.5 * (place / sigma).square())
    both = torch.cat([image * solid, solid], 1)
    channels = both.shape[1]
    for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
        weight = kernel.reshape(shape).expand(channels, 1, -1, -1 if shape[3] < 0 else 1)
        both = F.conv2d(both, weight, padding="same", groups=channels)
    return both[:, :3] / both[:, 3:].clamp(min=1e-6)


def _sums(one: _View, other: _View, least_shift: float, tolerance: float) -> Float[Tensor, "sum"]:
    """Over the pixels of `one` that are compared: Σ of the products h h, s s, t t, s t, h s, h t,
    where h is its detail, s the other's at the same point of the surface, t the other's at the same
    pixel; how many they are, and how many are solid.
    """
    side = one.depth.shape[-1]
    rays = one.camera.rays(side)
    points = rays.origins + rays.directions * one.depth.flatten(1)[..., None]
    positions, distances = other.camera.project(points)
    own_positions, _ = one.camera.project(points)
    grid = (positions * 2 - 1)[:, None]

    def moved(x: Tensor, mode: str = "bilinear") -> Tensor:
        return F.grid_sample(x, grid, mode=mode, align_corners=False)[:, :, 0]

    solid = one.solid.flatten(1) > 0
    where: Bool[Tensor, "batch pixel"] = (
        solid
        & (other.solid.flatten(1) > 0)
        & (moved(other.solid)[:, 0] > SOLID)
        & ((moved(other.depth)[:, 0] - distances).abs() < tolerance)
        & ((positions - own_positions).norm(dim=-1) * side >= least_shift)
    )
    h, s, t = one.detail.flatten(2), moved(other.detail, "bicubic"), other.detail.flatten(2)
    products = (h * h, s * s, t * t, s * t, h * s, h * t)
    # Where nothing is, a depth may project anywhere.
    found = [torch.where(where, product.sum(1), 0.0).sum() for product in products]
    return torch.stack([*found, where.sum().to(h), solid.sum().to(h)]).double()
