"""The record that flows through distillation."""

from dataclasses import dataclass

from jaxtyping import Float, Int64
from torch import Tensor

from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane


@dataclass(frozen=True)
class View:
    """Cameras and what the teacher shows through them, one a sample."""

    camera: Camera
    rendering: Rendering


@dataclass(frozen=True)
class DistillationBatch:
    """Identities that the teacher invented: what the student sees, and what it should have
    answered.

    Attributes:
        samples: sample numbers; everything else follows from them and the seed.
        image: the student's input, in [-1, 1]: the reference picture (perhaps on another
            background).
        triplane: the teacher's planes.
        reference: the view that `image` was taken from, by an augmented camera.
        novel: another view of the same identity, by a camera with the teacher's own intrinsics.
    """

    samples: Int64[Tensor, " batch"]
    image: Float[Tensor, "batch 3 height width"]
    triplane: Triplane
    reference: View
    novel: View

    def __len__(self) -> int:
        return len(self.samples)
