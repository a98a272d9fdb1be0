import math

import pytest
import torch

from pipeline.evaluation.captures.camera_fit import fit_camera, moved
from pipeline.evaluation.captures.least_squares import minimise
from pipeline.evaluation.captures.registration import by_landmarks, by_pictures, laid_on
from pipeline.evaluation.captures.similarity import Similarity
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher


@pytest.fixture(scope="module")
def portrait(mean_portrait):
    return mean_portrait(ToyTeacher(resolution=32, depth_samples=16, importance_samples=0))


def test_the_camera_of_a_picture_is_found_from_the_front(portrait):
    true = Camera.orbit(torch.tensor([0.3]), torch.tensor([-0.1]), roll=0.05, radius=2.6)
    fit = fit_camera(portrait, portrait.render(true).image[0])
    assert (fit.camera.cam_to_world - true.cam_to_world).abs().max() < 0.02
    assert fit.error < 0.01


def test_a_camera_that_is_right_already_stays(portrait):
    true = Camera.orbit(torch.tensor([0.2]), torch.tensor([0.1]))
    fit = fit_camera(portrait, portrait.render(true).image[0], start=true, rounds=1)
    assert torch.allclose(
        fit.camera.cam_to_world, true.cam_to_world, atol=1e-5
    ) and fit.error == pytest.approx(0, abs=1e-6)


def test_the_search_begins_where_an_inversion_says(portrait):
    true = Camera.orbit(torch.tensor([-0.6]), torch.tensor([0.2]))
    inverted = LiftedPortrait(portrait.lifter, portrait.triplane)
    inverted.camera = true
    fit = fit_camera(inverted, portrait.render(true).image[0], rounds=1)
    assert torch.allclose(fit.camera.cam_to_world, true.cam_to_world, atol=1e-5)


def test_moves_turn_about_the_origin():
    camera = Camera.orbit(torch.tensor([0.0]), torch.tensor([0.0]))
    turned = moved(camera, torch.tensor([0.0, 0.4, 0, 0, 0, 0], dtype=torch.float64))
    assert torch.allclose(
        turned.cam_to_world,
        Camera.orbit(torch.tensor([0.4]), torch.tensor([0.0])).cam_to_world,
        atol=1e-5,
    )


def test_the_least_of_a_bowl_is_its_bottom_and_the_start_is_never_made_worse():
    bottom = torch.tensor([0.3, -2.0], dtype=torch.float64)
    assert torch.allclose(
        minimise(lambda x: (x - bottom) * torch.tensor([1.0, 5.0]), torch.zeros(2)),
        bottom,
        atol=1e-5,
    )
    assert torch.equal(
        minimise(lambda x: 1 + x.square(), torch.zeros(2)), torch.zeros(2, dtype=torch.float64)
    )


def picture():
    v, u = torch.meshgrid(torch.linspace(0, 1, 64), torch.linspace(0, 1, 64), indexing="ij")
    return torch.stack([(7 * u).sin() * (5 * v).cos(), u - v, (9 * u * v).sin()])


def test_a_rigid_motion_of_a_picture_is_undone():
    angle = math.radians(6)
    rotation = torch.tensor(
        [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]],
        dtype=torch.float64,
    )
    middle = torch.full((2,), 0.5, dtype=torch.float64)
    motion = Similarity(
        1.0, rotation, middle - rotation @ middle + torch.tensor([0.04, -0.03], dtype=torch.float64)
    )
    target, _ = laid_on(picture(), motion)
    found = by_pictures(picture(), target)
    corners = torch.tensor([[0.2, 0.2], [0.8, 0.2], [0.5, 0.9]], dtype=torch.float64)
    assert (found(corners) - motion(corners)).abs().max() < 0.01
    assert by_landmarks(corners, motion(corners)).angle_deg == pytest.approx(6)


def test_outside_of_a_moved_picture_is_black():
    motion = Similarity(
        1.0, torch.eye(2, dtype=torch.float64), torch.tensor([0.25, 0.0], dtype=torch.float64)
    )
    laid, covered = laid_on(picture(), motion)
    assert (laid[:, :, :16] == -1).all() and not covered[:, :, :16].any()
    assert torch.allclose(laid[:, :, 16:], picture()[:, :, :48], atol=1e-5)
