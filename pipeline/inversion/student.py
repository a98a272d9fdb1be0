"""The student as a method beside the inversions."""

from jaxtyping import Float
from torch import Tensor

from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera

from .method import MethodKind
from .models import Models


class Student:
    """One forward pass (see `Method`); it uses no camera.

    Args:
        models: with the student.
    """

    name, title, takes_camera = "student", "the student", False
    kind: MethodKind = "student"
    notes: tuple[str, ...] = ()

    def __init__(self, *, models: Models) -> None:
        self.reconstructor = models.reconstructor()
        self.image_size = self.reconstructor.image_size
        self.passport = models.student.passport

    def lift(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> LiftedPortrait:
        """See `Method.lift`; the camera is ignored."""
        return self.reconstructor.lift(image)

    def lift_batch(self, images: Float[Tensor, "batch 3 height width"]) -> list[LiftedPortrait]:
        """As `lift`, several at once."""
        return self.reconstructor.lift_batch(images)
