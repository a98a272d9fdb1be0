"""Teachers small enough to be searched by descent in a second."""

import pytest

from pipeline.inversion.models import Models
from teachers.eg3d.teacher import EG3DTeacher
from teachers.toy import ToyTeacher
from teachers.untrained import untrained_teacher
from tests.pipeline.inversion.small_teacher import TINY


@pytest.fixture(scope="session")
def toy() -> ToyTeacher:
    return ToyTeacher(
        resolution=16, plane_resolution=16, depth_samples=12, importance_samples=12, sharpness=100.0
    )


@pytest.fixture(scope="session")
def tiny() -> EG3DTeacher:
    return untrained_teacher(TINY)


@pytest.fixture(scope="session")
def toy_models(toy) -> Models:
    return Models(teacher=lambda: toy)


@pytest.fixture(scope="session")
def tiny_models(tiny) -> Models:
    return Models(teacher=lambda: tiny)
