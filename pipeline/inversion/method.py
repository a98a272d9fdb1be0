"""What every method can do: answer a photograph with an identity."""

from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from pipeline.inference.reconstructor import LiftedPortrait
from teachers.passport import Passport
from teachers.rendering.camera import Camera

MethodKind = Literal["student", "inversion"]


@runtime_checkable
class Method(Protocol):
    """A way from a photograph to an identity; built from `conf/method/NAME.yaml` and the `Models`
    that it may use.

    Attributes:
        name: in results and on the command line.
        title: in a few words.
        kind: the student, or an optimisation.
        takes_camera: whether it makes use of the camera that took the photograph.
        image_size: side of the pictures that it is best given.
        passport: of the teacher whose planes it answers with.
        notes: what a reader of its scores should know, a sentence each (which perceptual term, for
            instance).
    """

    name: str
    title: str
    kind: MethodKind
    takes_camera: bool
    image_size: int
    passport: Passport
    notes: tuple[str, ...]

    def lift(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> LiftedPortrait:
        """One square picture in [-1, 1], and the camera that took it if that is known → the
        identity in it.
        """
        ...
