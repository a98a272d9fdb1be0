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
        lift: one square picture in [-1, 1] at the student's size → the person in it.
        takes_camera: `lift` wants the camera that took the picture as a second argument, None where nobody knows it.
        kind: student, trivial, inversion or ceiling.
    """

    name: str
    title: str
    lift: Callable[..., LiftedPortrait]
    takes_camera: bool = False
    kind: str = "student"

    def answer(self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None) -> LiftedPortrait:
        """The person in the picture, whether or not this way of answering wants the camera."""
        return self.lift(image, camera) if self.takes_camera else self.lift(image)


def student_answer(lifter: Lifter, name: str = "student", title: str = "the student") -> Answer:
    """What a lifter makes of the photograph."""
    return Answer(name, title, Reconstructor(lifter).lift)


def constant_answer(lifter: Lifter, triplane: Triplane, name: str, title: str) -> Answer:
    """The same planes whoever is asked about, drawn with the lifter's renderer."""
    portrait = LiftedPortrait(lifter, triplane)
    return Answer(name, title, lambda image: portrait, kind="trivial")


def fresh_student(lifter: Lifter, *, seed: int) -> Lifter:
    """The same encoder with the weights of its first day (before calibration) and the same renderer.

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
