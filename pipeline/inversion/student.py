"""The student as one method among others: what the optimisations are compared with."""

from jaxtyping import Float
from torch import Tensor

from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from teachers.rendering.camera import Camera

from .method import MethodKind
from .models import Models


class Student:
    """One look at the photograph; takes no camera (see `Method`).

    Args:
        models: with the student.
    """

    name, title, takes_camera = "student", "the student", False
    kind: MethodKind = "student"
    notes: tuple[str, ...] = ()

    def __init__(self, *, models: Models) -> None:
        self.reconstructor = Reconstructor(models.student)
        self.image_size = self.reconstructor.image_size
        self.passport = models.student.passport

    def lift(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> LiftedPortrait:
        """See `Method.lift`; the camera isn't looked at."""
        return self.reconstructor.lift(image)
