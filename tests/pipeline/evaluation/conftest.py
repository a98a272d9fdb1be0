from collections.abc import Callable

import pytest

from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.lifter import Lifter
from teachers.toy import ToyTeacher


@pytest.fixture(scope="session")
def student_of(untrained_student) -> Callable[[ToyTeacher], Lifter]:
    """The small student with the renderer of any toy teacher."""

    def build(teacher: ToyTeacher) -> Lifter:
        lifter = Lifter.load(untrained_student)
        lifter.renderer = teacher.renderer
        return lifter

    return build


@pytest.fixture(scope="session")
def mean_portrait(student_of) -> Callable[[ToyTeacher], LiftedPortrait]:
    """A perfect lift of a toy teacher's mean latent."""
    return lambda teacher: LiftedPortrait(
        student_of(teacher), teacher.synthesize(teacher.mean_latent())
    )
