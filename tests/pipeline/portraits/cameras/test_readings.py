"""Rigs stored in each of the four conventions are told apart, and a right one is never refused."""

import numpy as np
import pytest
import torch

from pipeline.portraits.cameras.readings import OURS, READINGS, better_reading, miss_deg, read_as
from pipeline.portraits.cameras.table import OPENCV_TO_OPENGL, WORLDS
from teachers.rendering.camera import Camera

YAW = torch.tensor([0.1, -0.7, 0.8, 0.4, -0.3, 0.0])
RIG = Camera.orbit(YAW, torch.tensor([0.0, 0.3, -0.2, 0.5, -0.4, 0.2]), pivot=(0.0, 0.0, 0.2))
POSES, LENS = RIG.cam_to_world.double().numpy(), RIG.intrinsics.double().numpy()


def stored(poses: np.ndarray, reading: str) -> np.ndarray:
    """Our matrices as another program would write them."""
    flipped = poses @ OPENCV_TO_OPENGL if "OpenGL" in reading else poses
    return np.linalg.inv(flipped) if "world-to-camera" in reading else flipped


def in_world(rotation: np.ndarray, translation: tuple[float, float, float]) -> np.ndarray:
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = rotation, translation
    return world @ POSES


WORLDS_OF_RIGS = {
    "teacher": POSES,
    "elsewhere": in_world(np.linalg.qr(np.arange(9.0).reshape(3, 3) ** 2)[0], (1, 2, 0)),
    "z up": in_world(WORLDS["z"][:3, :3].T, (0.6, -0.4, 1.7)),
}


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("world", WORLDS_OF_RIGS)
def test_each_convention_is_recognised_in_each_world(world, reading):
    poses = WORLDS_OF_RIGS[world]
    assert np.linalg.det(poses[0, :3, :3]) > 0
    matrices = stored(poses, reading)
    assert np.allclose(read_as(matrices, reading), poses)
    assert better_reading(matrices, LENS) == (None if reading == OURS else reading)


@pytest.mark.parametrize("reading", READINGS)
def test_a_known_subject_decides_where_rays_alone_cannot(reading):
    poses = in_world(WORLDS["z"][:3, :3].T, (0, 0, 1.7))  # its inverse is a rig at (0, 0, 2.7)
    matrices, place = stored(poses, reading), np.array([0, 0, 1.7])
    expected = None if reading == OURS else reading
    assert better_reading(matrices, LENS, subject=place) == expected
    blind = None if "world-to-camera" in reading else expected
    assert better_reading(matrices, LENS) == blind


def test_a_crop_off_the_axis_is_no_other_convention():
    lens = LENS.copy()
    lens[:, :2, 2] += 0.8  # the head is 11° off the optical axes, and in the images' middle
    turned = POSES.copy()
    away = np.linalg.inv(lens) @ np.array([0.5, 0.5, 1.0])
    for pose, ray in zip(turned, away, strict=True):
        pose[:3, :3] = pose[:3, :3] @ _turn(ray / np.linalg.norm(ray))
    assert miss_deg(turned, lens, np.array([0, 0, 0.2])) < 0.01
    assert better_reading(turned, lens) is None


def _turn(ray: np.ndarray) -> np.ndarray:
    """The rotation that takes a unit ray to the optical axis (Rodrigues)."""
    axis = np.cross(ray, [0, 0, 1.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + ray[2])
