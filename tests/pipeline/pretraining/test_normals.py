"""Normals of fields are the gradients', and sets of them are compared with the world's."""

from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from pipeline.pretraining.normals import angle, field_normals, normal_scores
from pipeline.worlds.splits import WorldSeeds
from teachers.rendering.camera import Camera
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings

BALL = [[0.0, 0.0, 0.0, 0.25, 0.25, 0.25]]
CAMERAS = Camera.orbit(torch.linspace(-0.3, 0.3, 6), torch.zeros(6))


def teacher_of_balls(**settings):
    return untrained_teacher(
        smallest_eg3d_settings(
            16, feature_channels=3, near=2.2, far=3.2, background="white", prior_ellipsoids=BALL,
            **settings,
        )
    )  # fmt: skip


KINDS = [
    {"density_gain": 200.0, "logit_gain": 0.0, "depth_samples": 48, "importance_samples": 48},
    {"kind": "wysiwyg", "hidden_channels": 64, "learned_sampling": False, "depth_samples": 48},
]


@pytest.mark.parametrize("settings", KINDS)
def test_the_normals_of_a_ball_s_field_point_outwards(settings):
    teacher = teacher_of_balls(**settings)
    camera = CAMERAS[:1]
    triplane = teacher.synthesize(teacher.mean_latent())
    rendering = teacher.render(triplane, camera)
    normals = field_normals(teacher, triplane, rendering, camera)
    points = camera.rays(16).at(rendering.depth.reshape(1, -1, 1))[:, :, 0]
    outwards = F.normalize(points, dim=-1).mT.reshape(1, 3, 16, 16)
    solid = rendering.opacity > 0.95
    assert solid.sum() > 20
    assert angle(normals, outwards)[solid].mean() < 10


def test_angles_are_exact_however_small():
    small = torch.tensor([1e-3, 0.5]).reshape(2, 1, 1, 1)
    one = torch.cat([torch.zeros_like(small), torch.zeros_like(small), torch.ones_like(small)], 1)
    other = torch.cat([small.sin(), torch.zeros_like(small), small.cos()], 1)
    torch.testing.assert_close(angle(one, other), small.rad2deg(), rtol=1e-4, atol=0)


class Balls:
    """Every identity is a ball, or one with a rough surface."""

    name, version, pivot = "balls", 1, (0.0, 0.0, 0.0)

    def __init__(self, roughness: float) -> None:
        self.roughness = roughness

    def render(self, seeds: WorldSeeds, camera: Camera, resolution: int) -> SimpleNamespace:
        rays = camera.rays(resolution)
        middle = -(rays.origins * rays.directions).sum(-1)
        radii = torch.tensor([0.25 + 0.02 * (n % 3) for n in seeds.identity])[:, None]
        squared = radii**2 - rays.origins.square().sum(-1) + middle**2
        depth = middle - squared.clamp(min=0).sqrt()
        normal = F.normalize(rays.at(depth[..., None])[:, :, 0], dim=-1)
        random = torch.Generator().manual_seed(sum(seeds.identity))
        depth = depth + self.roughness * torch.randn(depth.shape, generator=random)

        def image(x):
            return x.reshape(len(seeds), resolution, resolution, -1).permute(0, 3, 1, 2)

        return SimpleNamespace(
            depth=image(depth), opacity=image((squared > 0).float()), normal=image(normal)
        )


def test_a_rough_world_has_a_larger_angle_and_photographs_have_none():
    teacher = teacher_of_balls(**KINDS[0])
    smooth, rough = (
        normal_scores(teacher, CAMERAS, Balls(roughness), compared=8, real=16)
        for roughness in (0.0, 0.02)
    )
    assert smooth.field_angle == rough.field_angle < 25
    assert smooth.world_angle < 10 < rough.world_angle
    assert set(smooth.ratios()) == {"pixels", "network"}
    photographs = normal_scores(teacher, CAMERAS, None, compared=8)
    assert photographs.world_angle is None and photographs.frechet == {}
