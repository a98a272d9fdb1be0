"""The contract of all methods: photograph → identity."""

from collections.abc import Sequence
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from pipeline.inference.film import Lift, RememberingLift
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.passport import Passport
from teachers.rendering.camera import Camera

MethodKind = Literal["student", "inversion"]


@runtime_checkable
class Method(Protocol):
    """Lifts photographs; built from `conf/method/NAME.yaml` and the `Models` that it may use.

    Attributes:
        name: in results and on the command line.
        title: for tables, a few words.
        kind: the student, or an inversion.
        takes_camera: whether it uses the camera that took the photograph.
        image_size: side of the images that it expects.
        passport: of the teacher whose planes it predicts.
        notes: for readers of its scores, a sentence each, such as which perceptual term was used.
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
        """One square image in [-1, 1] → the identity in it.

        Args:
            image: the photograph.
            camera: that took it (a batch of one); None: unknown.
        """
        ...


@runtime_checkable
class BatchedMethod(Protocol):
    """A method that lifts several images faster at once than one after another."""

    def lift_batch(self, images: Float[Tensor, "batch 3 height width"]) -> list[LiftedPortrait]:
        """Square images in [-1, 1] → the identities in them."""
        ...


@runtime_checkable
class FilmMethod(Protocol):
    """A method whose frames depend on those before them."""

    def film(self) -> RememberingLift:
        """For the frames of one face of one film."""
        ...


def lift_film_by(method: Method) -> Lift:
    """What lifts one face of one film, from its first frame on."""
    if isinstance(method, FilmMethod):
        return method.film()
    return lambda images, cameras: lift_all(method, images, cameras)


def lift_all(
    method: Method, images: Float[Tensor, "batch 3 height width"], cameras: Sequence[Camera | None]
) -> list[LiftedPortrait]:
    """Several images, at once if the method can."""
    if isinstance(method, BatchedMethod):
        return method.lift_batch(images)
    return [method.lift(images[row : row + 1], camera) for row, camera in enumerate(cameras)]
