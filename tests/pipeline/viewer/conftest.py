"""A page's server on a port of its own, with the bundled student and a method that takes steps."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pipeline.inference.pretrained import student_file
from pipeline.inversion.models import Models
from pipeline.inversion.progress import tell
from pipeline.inversion.student import Student
from pipeline.lifter import Lifter
from pipeline.portraits.framing import CentreSquare
from pipeline.viewer import drawing
from pipeline.viewer.photographs import Photographs
from pipeline.viewer.server import application
from pipeline.viewer.state import Limits, Viewer
from pipeline.viewer.workbench import Contender, Workbench
from tests.served_page import ServedPage, served_page

STEPS = 60


class Patient(Student):
    """Lifts as the student does, in many small steps."""

    name = "patient"

    def lift(self, image, camera=None):
        for step in range(STEPS):
            time.sleep(0.02)
            tell("searching", step + 1, STEPS)
        return super().lift(image, camera)


@dataclass
class Served(ServedPage):
    viewer: Viewer


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    models = Models(student=lambda: Lifter.load(student_file("bundled/puppets_tiny")))
    contenders = [
        Contender("student", lambda: Student(models=models)),
        Contender("patient", lambda: Patient(models=models), is_slow=True),
    ]
    viewer = Viewer(
        Photographs(CentreSquare(), most=4, background=1.0),
        Workbench(contenders),
        Limits(upload_megabytes=1, pages=12, turntable_frames=2, mesh_resolution=32),
        hosts=("127.0.0.1",),
        about="A student of tests",
    )
    full_rays, drawing.STILL_RAYS = drawing.STILL_RAYS, 64
    with served_page(application(viewer), viewer.token) as page:
        yield Served(**vars(page), viewer=viewer)
    drawing.STILL_RAYS = full_rays
