"""Who is asked: the student, and the trivial answers that it has to beat."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.inference.reconstructor import LiftedPortrait, Reconstructor
from pipeline.lifter import Lifter
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane


@dataclass(frozen=True)
class Answer:
    """A way to answer a photograph with a head.

    Attributes:
        name: in reports.
        title: in a few words.
        lift: one square picture in [-1, 1] at the student's size → the subject in it.
        takes_camera: `lift` wants the camera that took the picture as a second argument, None where
            nobody knows it.
        kind: student, trivial, inversion, ceiling or foreign.
        image_size: side of the pictures that it is given; None: as large as they are.
        notes: what a reader of its scores should know, a sentence each.
    """

    name: str
    title: str
    lift: Callable[..., LiftedPortrait]
    takes_camera: bool = False
    kind: str = "student"
    image_size: int | None = None
    notes: tuple[str, ...] = ()

    def answer(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> LiftedPortrait:
        """The subject in the picture, whether or not this way of answering wants the camera."""
        return self.lift(image, camera) if self.takes_camera else self.lift(image)


def student_answer(
    lifter: Lifter, name: str = "student", title: str = "the student", kind: str = "student"
) -> Answer:
    """What a lifter makes of the photograph."""
    reconstructor = Reconstructor(lifter)
    return Answer(name, title, reconstructor.lift, kind=kind, image_size=reconstructor.image_size)


def constant_answer(lifter: Lifter, triplane: Triplane, name: str, title: str) -> Answer:
    """The same planes whoever is asked about, drawn with the lifter's renderer."""
    portrait = LiftedPortrait(lifter, triplane)
    return Answer(name, title, lambda image: portrait, kind="trivial")


def fresh_student(lifter: Lifter, *, seed: int) -> Lifter:
    """The same encoder with the weights of its first day (before calibration) and the same
    renderer.

    Leaves torch's global seed alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder = lifter.recipes["encoder"].build()
    device = next(lifter.encoder.parameters()).device
    return Lifter(
        encoder=encoder.to(device),
        renderer=lifter.renderer,
        passport=lifter.passport,
        encoder_recipe=lifter.recipes["encoder"],
        renderer_recipe=lifter.recipes["renderer"],
    ).eval()
