"""Detail on a surface and detail on the screen are told apart, and their mixture."""

import dataclasses
import math

import pytest
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.evaluation.metrics.sticking import Sticking, texture_sticking
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

SIDE, RADIUS, WAVELENGTH = 64, 0.25, 5.0
PIXEL = (2.7 - RADIUS) / 4.2647 / SIDE


def waves(points: Float[Tensor, "point axis"], length: float, seed: int) -> Tensor:
    """Colours of band-limited noise with these wavelengths, `[point 3]`, of variance .09."""
    random = torch.Generator().manual_seed(seed)
    directions = F.normalize(torch.randn(60, points.shape[1], generator=random), dim=1)
    numbers = 2 * math.pi / length * (0.6 + 0.8 * torch.rand(60, 1, generator=random))
    phases = points @ (directions * numbers).T
    shifts = 2 * math.pi * torch.rand(3, 60, generator=random)
    return torch.stack([torch.cos(phases + shift).sum(-1) for shift in shifts], -1) * 0.3 / 30**0.5


def ball(yaw: float, stuck: float) -> tuple[Rendering, Camera]:
    """A ball of which the share `stuck` of the detail's variance is painted on the screen."""
    camera = Camera.orbit(torch.tensor([yaw]), torch.zeros(1))
    rays = camera.rays(SIDE)
    middle = -(rays.origins * rays.directions).sum(-1)
    squared = RADIUS**2 - rays.origins.square().sum(-1) + middle**2
    depth = (middle - squared.clamp(min=0).sqrt())[0]
    pixels = torch.arange(SIDE).float()
    screen = torch.stack(torch.meshgrid(pixels, pixels, indexing="xy"), -1).reshape(-1, 2)
    points = (rays.origins + rays.directions * depth[:, None])[0]
    colors = (1 - stuck) ** 0.5 * waves(points, WAVELENGTH * PIXEL, 0)
    colors = colors + stuck**0.5 * waves(screen, WAVELENGTH, 1)
    hit = squared[0] > 0
    colors = torch.where(hit[:, None], colors, 1.0)
    image, depth_image, opacity = (
        x.reshape(1, SIDE, SIDE, -1).permute(0, 3, 1, 2)
        for x in (colors, torch.where(hit, depth, 0.0), hit.float())
    )
    return Rendering(image, image, image, depth_image, opacity), camera


def score(stuck: float) -> Sticking:
    return texture_sticking(*ball(-0.15, stuck), *ball(0.15, stuck))


@pytest.mark.parametrize("stuck", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_the_score_is_the_share_that_is_painted_on_the_screen(stuck):
    found = score(stuck)
    assert found.score == pytest.approx(stuck, abs=0.08)
    assert found.surface + found.screen == pytest.approx(1.0, abs=0.05)
    assert found.pixels > 0.8


def test_the_ends_are_exact_and_the_order_of_the_views_is_the_same():
    assert score(0.0).score < 0.02
    assert score(1.0).score == pytest.approx(1.0, abs=1e-3)
    one, other = ball(-0.15, 0.5), ball(0.15, 0.5)
    assert texture_sticking(*other, *one).score == pytest.approx(score(0.5).score, abs=1e-6)


def test_a_wrong_depth_explains_nothing_rather_than_passing_for_sticking():
    (first, one), (second, other) = ball(-0.15, 0.0), ball(0.15, 0.0)
    nearer = [
        dataclasses.replace(view, depth=torch.where(view.opacity > 0, view.depth - 0.1, 0.0))
        for view in (first, second)
    ]
    found = texture_sticking(nearer[0], one, nearer[1], other)
    assert math.isnan(found.score)
    assert found.surface < 0.1 and abs(found.screen) < 0.1


def test_a_view_that_does_not_move_has_no_score():
    view = ball(0.0, 0.0)
    found = texture_sticking(*view, *view)
    assert math.isnan(found.score) and found.pixels == 0.0


def test_depths_of_half_the_side_will_do():
    views = []
    for yaw in (-0.15, 0.15):
        rendering, camera = ball(yaw, 0.0)
        image, raw, features, depth, opacity = vars(rendering).values()
        halves = [F.avg_pool2d(x, 2) for x in (raw, features, depth, opacity)]
        views += [Rendering(image, *halves), camera]
    assert texture_sticking(*views).score < 0.05
