"""Views of one subject agree after a warp by depth, and only then."""

import dataclasses
import math

import pytest
import torch

from pipeline.evaluation.metrics.consistency import mean_depth_agreement, multi_view_consistency
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.toy import ToyTeacher


@pytest.fixture(scope="module")
def views() -> tuple[Rendering, Camera, Rendering, Camera]:
    """The spheres of the toy teacher from two sides."""
    teacher = ToyTeacher(
        plane_resolution=64,
        resolution=48,
        depth_samples=48,
        importance_samples=48,
        sharpness=2000.0,
        density=200.0,
    )
    triplane = teacher.synthesize(teacher.mean_latent())
    cameras = [Camera.orbit(torch.tensor([yaw]), torch.zeros(1)) for yaw in (-0.15, 0.15)]
    first, second = (teacher.render(triplane, camera) for camera in cameras)
    return first, cameras[0], second, cameras[1]


def test_the_warp_explains_most_of_the_difference(views):
    found = multi_view_consistency(*views)
    assert found.agreeing > 0.7
    assert found.error < 0.5 * found.still
    assert found.error < 0.05


def test_a_view_agrees_with_itself(views):
    first, camera, _, _ = views
    found = multi_view_consistency(first, camera, first, camera)
    assert found.error == pytest.approx(0.0, abs=1e-4)
    assert found.agreeing == pytest.approx(1.0)


def test_a_picture_that_does_not_follow_its_depth_is_found_out(views):
    """The second view shows the first one's colours, as a flat picture would."""
    first, first_camera, second, second_camera = views
    flat = dataclasses.replace(second, image=first.image)
    honest, lying = (
        multi_view_consistency(first, first_camera, other, second_camera)
        for other in (second, flat)
    )
    assert lying.error > 2 * honest.error
    assert lying.still < 1e-6


def test_a_wrong_depth_is_not_confirmed(views):
    first, first_camera, second, second_camera = views
    nearer = dataclasses.replace(second, depth=second.depth - 0.2)
    assert multi_view_consistency(first, first_camera, nearer, second_camera).agreeing < 0.2


def test_without_a_common_surface_there_is_no_error(views):
    first, first_camera, second, second_camera = views
    empty = dataclasses.replace(second, opacity=torch.zeros_like(second.opacity))
    found = multi_view_consistency(first, first_camera, empty, second_camera)
    assert math.isnan(found.error)
    assert found.agreeing == 0


def test_mean_depths_that_differ_by_an_offset_correlate_fully():
    depth = (
        2.5
        + torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0)).expand(4, -1, -1, -1)
        * 0.2
    )
    solid = torch.ones(4, 1, 16, 16)
    found = mean_depth_agreement(depth + 0.1, solid, depth[:2], solid[:2])
    assert found.correlation == pytest.approx(1.0, abs=1e-4)
    assert found.face_correlation == pytest.approx(1.0, abs=1e-4)
    assert found.offset == pytest.approx(0.1, abs=1e-5)
    assert found.error == pytest.approx(0.0, abs=1e-5)


def test_a_relief_turned_inside_out_correlates_negatively():
    depth = 2.5 + torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.2
    found = mean_depth_agreement(
        5.0 - depth, torch.ones(2, 1, 16, 16), depth, torch.ones(2, 1, 16, 16)
    )
    assert found.correlation < -0.99


def test_identities_that_differ_correlate_less_with_the_mean_than_their_mean_does():
    random = torch.Generator().manual_seed(0)
    relief = 2.5 + torch.rand(1, 1, 16, 16, generator=random) * 0.2
    own = relief + torch.randn(64, 1, 16, 16, generator=random) * 0.1
    solid = torch.ones(64, 1, 16, 16)
    found = mean_depth_agreement(own, solid, relief.expand_as(own), solid)
    assert found.correlation > 0.95
    assert 0.3 < found.identity_correlation < 0.7 and 0.3 < found.identity_face_correlation < 0.7
    same = mean_depth_agreement(relief, solid[:1], relief, solid[:1])
    assert same.identity_correlation == pytest.approx(1.0, abs=1e-4)
