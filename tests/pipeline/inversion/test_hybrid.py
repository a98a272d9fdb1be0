"""The hybrid begins with the student's prediction, and comes nearer to the photograph."""

import pytest
import torch

from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion.hybrid import Hybrid, Refinement
from pipeline.inversion.models import Models
from pipeline.inversion.moving_camera import CameraSearch
from pipeline.inversion.portrait import InvertedPortrait
from pipeline.inversion.student import Student
from teachers.kernels import use_kernels
from teachers.untrained import untrained_teacher
from tests.builders import tiny_lifter
from tests.pipeline.inversion.small_teacher import TINY


@pytest.fixture(scope="module")
def teacher():
    return untrained_teacher(
        {**TINY, "plane_resolution": 32, "render_resolution": 32, "image_resolution": 32}
    )


@pytest.fixture(scope="module")
def models(teacher) -> Models:
    """A student with random weights, whose pictures aren't empty."""
    lifter = tiny_lifter(teacher, plane_channels=TINY["plane_channels"])
    lifter.requires_grad_(True)  # as one that is read from a file
    return Models(student=lambda: lifter, weights_folder="nowhere")


@pytest.fixture(scope="module")
def photograph(teacher):
    camera = orbit_of(teacher.passport, [0.2], [0.0])
    ws = teacher.map_latents(
        torch.randn(1, teacher.z_dim, generator=torch.Generator().manual_seed(1))
    )
    return teacher.render(teacher.synthesize(ws), camera).image, camera


def error(portrait, photograph) -> float:
    image, camera = photograph
    return (portrait.render(camera).image - image).square().mean().item()


def test_without_steps_it_is_the_students_prediction_bit_for_bit(models, photograph):
    image, camera = photograph
    # fast kernels round differently in the student's packed encoder than in the one that is refined
    with use_kernels("readable"):
        student = Student(models=models).lift(image, camera)
        for given in (camera, None):
            hybrid = Hybrid(
                models=models,
                refinement=Refinement(steps=0),
                camera=CameraSearch(preheat=2),
                progress=False,
            ).lift(image, given)
            assert torch.equal(hybrid.triplane.planes, student.triplane.planes)
            assert torch.equal(hybrid.render(camera).image, student.render(camera).image)


@pytest.mark.parametrize(("planes_rate", "encoder_rate"), [(0.1, 0.0), (0.0, 1e-3), (0.05, 1e-3)])
def test_it_comes_nearer_and_leaves_the_student_alone(
    models, photograph, planes_rate, encoder_rate
):
    image, camera = photograph
    before = {name: value.clone() for name, value in models.student.state_dict().items()}
    student = Student(models=models).lift(image, camera)
    refinement = Refinement(steps=15, planes_rate=planes_rate, encoder_rate=encoder_rate)
    hybrid = Hybrid(models=models, refinement=refinement, progress=False)
    with torch.no_grad():
        portrait = hybrid.lift(image, camera)
    assert isinstance(portrait, InvertedPortrait) and len(portrait.losses) == 15
    assert error(portrait, photograph) < 0.9 * error(student, photograph)
    assert all(
        torch.equal(value, before[name]) for name, value in models.student.state_dict().items()
    )
    assert not any(
        parameter.requires_grad and parameter.grad is not None
        for parameter in models.student.parameters()
    )
    if planes_rate > 0 and encoder_rate > 0:
        assert torch.equal(hybrid.lift(image, camera).triplane.planes, portrait.triplane.planes)


def test_the_anchor_keeps_it_with_the_student(models, photograph):
    image, camera = photograph
    student = Student(models=models).lift(image, camera).triplane.planes
    distances = []
    for anchor in (0.0, 10.0):
        refinement = Refinement(steps=15, planes_rate=0.02, encoder_rate=0, anchor=anchor)
        portrait = Hybrid(models=models, refinement=refinement, progress=False).lift(image, camera)
        distances.append((portrait.triplane.planes - student).square().mean())
    assert distances[1] < distances[0] / 2


def test_something_has_to_move():
    with pytest.raises(ValueError, match="one rate must be above"):
        Refinement(planes_rate=0, encoder_rate=0)
