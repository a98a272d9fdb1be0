import math

import pytest
import torch

from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion.moving_camera import (
    CameraSearch,
    MovingCamera,
    rotation_about_origin,
    shift,
)

STILL = torch.zeros(1)


def test_a_rotation_about_the_worlds_axes_moves_the_camera_on_its_orbit(toy):
    frontal = orbit_of(toy.passport, [0.0], [0.0])
    moving = MovingCamera(frontal, CameraSearch(), moves=True)
    assert torch.allclose(moving.now().label(), frontal.label())
    with torch.no_grad():
        moving.rotation[1] = 0.3  # about y: yaw
    assert torch.allclose(
        moving.now().label(), orbit_of(toy.passport, [0.3], [0.0]).label(), atol=1e-6
    )
    with torch.no_grad():
        moving.rotation.copy_(torch.tensor([-0.2, 0.0, 0.0]))  # about x: pitch, upwards
    assert torch.allclose(
        moving.now().label(), orbit_of(toy.passport, [0.0], [0.2]).label(), atol=1e-6
    )


def test_a_shift_is_along_the_cameras_own_axes(toy):
    camera = orbit_of(toy.passport, [math.pi / 2], [0.0])
    moving = MovingCamera(camera, CameraSearch(), moves=True)
    with torch.no_grad():
        moving.translation[2] = 0.5  # forward: towards the head, which is in -x from here
    assert torch.allclose(
        moving.now().cam_to_world[0, :3, 3], torch.tensor([2.2, 0.0, 0.0]), atol=1e-6
    )


def test_motions_are_rigid_and_differentiable_where_they_begin():
    vector = torch.zeros(3, requires_grad=True)
    matrix = rotation_about_origin(vector) @ shift(vector)
    assert torch.equal(matrix.detach(), torch.eye(4))
    matrix[0, 1].backward()
    assert vector.grad is not None and vector.grad[2] == -1 and torch.isfinite(vector.grad).all()
    turned = rotation_about_origin(torch.tensor([0.3, -2.0, 1.0]))[:3, :3]
    assert torch.allclose(turned @ turned.mT, torch.eye(3), atol=1e-5) and torch.allclose(
        torch.det(turned), torch.ones([]), atol=1e-5
    )


@pytest.mark.parametrize(
    ("mode", "is_given", "moves"),
    [
        ("auto", True, False),
        ("auto", False, True),
        ("given", False, False),
        ("optimised", True, True),
    ],
)
def test_when_it_moves(toy, mode, is_given, moves):
    given = orbit_of(toy.passport, [0.1], [0.0]) if is_given else None
    search = CameraSearch(mode=mode, preheat=0)
    moving, courses = search.begin(
        given, toy.passport, lambda camera: STILL.sum(), like=STILL, title="", progress=False
    )
    assert moving.moves == moves == bool(moving.moved()) and courses == ()


def test_of_an_unknown_camera_the_nearest_of_the_grid_is_where_it_begins(toy):
    def distance(camera):
        return (
            camera.cam_to_world[0, 0, 3]
            - orbit_of(toy.passport, [0.3], [0.0]).cam_to_world[0, 0, 3]
        ).abs()

    search = CameraSearch(mode="auto", preheat=0, yaws_deg=[-40, -20, 0, 20, 40], pitches_deg=[0])
    moving, _ = search.begin(None, toy.passport, distance, like=STILL, title="", progress=False)
    assert torch.allclose(
        moving.now().label(), orbit_of(toy.passport, [math.radians(20)], [0.0]).label(), atol=1e-6
    )


def test_a_mode_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match=r"camera\.mode"):
        CameraSearch(mode="guess")
    with pytest.raises(ValueError, match="at least one yaw"):
        CameraSearch(yaws_deg=[])
