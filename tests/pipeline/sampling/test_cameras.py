"""Cameras follow LP3D's distributions; a sample's camera depends only on its number."""

import math

import numpy as np
import pytest
import torch

from pipeline.sampling.cameras import (
    OrbitPrior,
    elevation_of_sampler_offset,
    focal_of_diagonal_fov,
)
from pipeline.sampling.distributions import Fixed, Normal, Uniform


def prior(**changes) -> OrbitPrior:
    distributions = {
        "yaw_deg": Uniform(low=-49, high=49),
        "pitch_deg": Uniform(low=-26, high=26),
        "pitch_distribution": "elevation",
        "fov_diagonal_deg": Normal(mean=18.83, deviation=1.0),
        "roll_deg": Normal(mean=0, deviation=2),
        "radius": Normal(mean=2.7, deviation=0.1),
        "principal_point": Normal(mean=0.5, deviation=0.0273),
    }
    return OrbitPrior(**{**distributions, **changes})


def elevations(camera) -> torch.Tensor:
    position = camera.cam_to_world[:, :3, 3]
    return torch.rad2deg(torch.asin(position[:, 1] / position.norm(dim=1)))


def test_the_published_field_of_view_is_the_diagonal_of_the_published_focal_length():
    assert focal_of_diagonal_fov(18.83) == pytest.approx(4.2647, abs=1e-3)
    corner = math.hypot(0.5, 0.5) / focal_of_diagonal_fov(40.0)
    assert 2 * math.degrees(math.atan(corner)) == pytest.approx(40.0)


def test_26_degrees_of_sampler_offset_are_16_8_degrees_of_elevation():
    assert math.degrees(elevation_of_sampler_offset(math.radians(26))) == pytest.approx(
        16.79, abs=0.01
    )
    assert elevation_of_sampler_offset(-0.3) == -elevation_of_sampler_offset(0.3)
    highest = {
        distribution: elevations(
            prior(pitch_deg=Fixed(value=26), pitch_distribution=distribution).draw(0, [0], "x")
        )
        for distribution in ("elevation", "eg3d_sampler_offset")
    }
    assert highest["elevation"].item() == pytest.approx(26, abs=1e-3)
    assert highest["eg3d_sampler_offset"].item() == pytest.approx(16.79, abs=0.01)


def test_cameras_are_bit_equal_in_any_batch():
    numbers = [3, 1_000_000_007, 5, 0]
    together = prior().draw(1, numbers, "camera/reference").label()
    alone = torch.cat([prior().draw(1, [n], "camera/reference").label() for n in numbers])
    assert torch.equal(together, alone)


def test_changing_one_distribution_moves_no_other_quantity():
    first, second = (
        prior(**change).draw(1, range(20), "camera")
        for change in ({}, {"roll_deg": Fixed(value=0.0), "radius": Fixed(value=2.7)})
    )
    assert torch.equal(first.intrinsics, second.intrinsics)
    direction = [
        torch.nn.functional.normalize(c.cam_to_world[:, :3, 3], dim=1) for c in (first, second)
    ]
    assert torch.allclose(*direction, atol=1e-6)


def test_the_distributions_are_followed():
    cameras = prior().draw(0, range(1500), "camera")
    position = cameras.cam_to_world[:, :3, 3]
    yaw = torch.rad2deg(torch.atan2(position[:, 0], position[:, 2]))
    assert -49 <= yaw.min() < -47
    assert 47 < yaw.max() <= 49
    assert yaw.std() == pytest.approx(98 / 12**0.5, rel=0.05)
    assert position.norm(dim=1).mean() == pytest.approx(2.7, abs=0.01)
    assert position.norm(dim=1).std() == pytest.approx(0.1, rel=0.08)
    fov = torch.rad2deg(2 * torch.atan(0.5**0.5 / cameras.intrinsics[:, 0, 0]))
    assert fov.mean() == pytest.approx(18.83, abs=0.1)
    assert fov.std() == pytest.approx(1.0, rel=0.08)
    principal = cameras.intrinsics[:, :2, 2]
    assert principal.std(0).tolist() == pytest.approx([0.0273, 0.0273], rel=0.08)
    assert abs(torch.corrcoef(principal.T)[0, 1]) < 0.1
    assert abs(torch.corrcoef(torch.stack([yaw, fov]))[0, 1]) < 0.1


def test_every_camera_looks_at_the_pivot():
    camera = prior(pivot=[0.0, 0.0, 0.2], principal_point=Fixed(value=0.5)).draw(
        0, range(10), "camera"
    )
    image, _ = camera.project(torch.tensor([0.0, 0.0, 0.2]).expand(10, 1, 3))
    assert torch.allclose(image, torch.full_like(image, 0.5), atol=1e-5)


@pytest.mark.parametrize(
    "broken",
    [
        {"pitch_distribution": "polar"},
        {"fov_diagonal_deg": Fixed(value=0)},
        {"fov_diagonal_deg": Fixed(value=180)},
    ],
)
def test_impossible_cameras_are_refused(broken):
    with pytest.raises(ValueError, match=r"pitch_distribution|field of view"):
        prior(**broken).draw(0, [0], "x")


def test_a_limited_normal_distribution_stays_within_its_limit():
    distribution = Normal(mean=1.0, deviation=2.0, limit=1.5)
    random = np.random.default_rng(0)
    values = [distribution.draw(random) for _ in range(500)]
    assert -2 <= min(values) < -1.8
    assert 3.8 < max(values) <= 4
