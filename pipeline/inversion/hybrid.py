"""The hybrid: the student's prediction, then a short refinement of the planes at the input view.

The student's planes are in the canonical frame already, which an inversion needs minutes to find.
What they lack is detail of the one photograph; a short descent adds it. The planes are optimised
directly: no latent has to be found for the student's prediction.
"""

import copy
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.lifter import Lifter
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane

from .descent import Moved, Schedule, descend
from .input_loss import InputLoss, LossWeights, at_side
from .method import MethodKind
from .models import Models
from .moving_camera import CameraSearch
from .portrait import InvertedPortrait, lifter_of_one


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """What is optimised, and how.

    Attributes:
        steps: updates; 0: the student's prediction itself.
        planes_rate: learning rate of the planes, in standard deviations of each channel of the
            student's planes; 0: they change through the encoder only.
        encoder_rate: learning rate of a copy of the student's encoder; 0: it is fixed.
        anchor: weight of the mean squared distance to the student's planes, in the same deviations.
        warm_up, cool_down: see `Schedule`.

    Raises:
        ValueError: a negative rate or weight, or both rates 0.
    """

    steps: int = 50
    planes_rate: float | int = 0.02
    encoder_rate: float | int = 0.0
    anchor: float | int = 0.01
    warm_up: float | int = 0.05
    cool_down: float | int = 0.25

    def __post_init__(self) -> None:
        if (
            min(self.planes_rate, self.encoder_rate, self.anchor) < 0
            or self.planes_rate + self.encoder_rate <= 0
        ):
            raise ValueError(
                f"planes_rate={self.planes_rate}, encoder_rate={self.encoder_rate},"
                f" anchor={self.anchor}: none may be below 0, and one rate must be above"
            )

    @property
    def schedule(self) -> Schedule:
        """Of the learning rates."""
        return Schedule(steps=self.steps, warm_up=self.warm_up, cool_down=self.cool_down)


class Hybrid:
    """The student's prediction, refined (see `Method`); it needs no teacher. An unknown camera is
    fitted to the student's prediction.

    Args:
        models: with the student.
        refinement: what is optimised.
        camera: whether and how the camera is optimised.
        weights: of pixels and perceptual term.
        progress: whether there is a progress bar.
    """

    name, title, takes_camera = "hybrid", "student, refined", True
    kind: MethodKind = "inversion"

    def __init__(
        self,
        *,
        models: Models,
        refinement: Refinement | None = None,
        camera: CameraSearch | None = None,
        weights: LossWeights | None = None,
        progress: bool = True,
    ) -> None:
        self.student, self.passport = _frozen(models.student), models.student.passport
        self.image_size = self.student.image_size
        self.refinement, self.camera, self.weights = (
            refinement or Refinement(),
            camera or CameraSearch(),
            weights or LossWeights(),
        )
        self.progress = progress
        self.term = models.perceptual(self.passport)
        self.notes: tuple[str, ...] = (
            (f"perceptual term: {self.term.name}",) if self.weights.perceptual else ()
        )

    def lift(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> InvertedPortrait:
        """See `Method.lift`."""
        image = image.to(next(self.student.parameters()))
        shown, target = (
            at_side(image, side) for side in (self.image_size, self.passport.image_resolution)
        )
        loss = InputLoss(target, self.term, self.weights)
        with torch.no_grad():
            first = self.student.lift(shown)
        moving, courses = self.camera.begin(
            camera,
            self.passport,
            lambda seen_from: loss(self.student.render(first, seen_from)),
            like=first.planes,
            title=self.title,
            progress=self.progress,
        )
        refined = _Refined(self.student.encoder, shown, first, self.refinement)

        def losses(step: int) -> tuple[Tensor, Tensor]:
            triplane = refined()
            distance = loss(self.student.render(triplane, moving()))
            return distance + self.refinement.anchor * refined.distance(triplane), distance

        course = descend(
            [*refined.moved(), *moving.moved()],
            losses,
            self.refinement.schedule,
            title=self.title,
            progress=self.progress,
        )
        renderer = copy.deepcopy(self.student.renderer)
        triplane = first if not self.refinement.steps else refined.now()
        lifter = lifter_of_one(triplane, renderer, self.passport, self.student.recipes["renderer"])
        courses = (*courses, course)
        notes = [note for one in courses for note in one.note(self.title)]
        return InvertedPortrait(lifter, triplane, camera=moving.now(), courses=courses, notes=notes)


def _frozen(student: Lifter) -> Lifter:
    """The student with a frozen copy of its renderer: no step computes gradients of its weights,
    and none pile up in the given one.
    """
    frozen = copy.copy(student)
    frozen._modules = {
        **student._modules,
        "renderer": copy.deepcopy(student.renderer).requires_grad_(False),
    }
    return frozen


class _Refined:
    """The refined planes: the encoder's output plus an offset in deviations of the first one."""

    def __init__(
        self, encoder: torch.nn.Module, image: Tensor, first: Triplane, refinement: Refinement
    ) -> None:
        self.image, self.first, self.refinement = image, first, refinement
        self.unit = first.planes.std((-2, -1), keepdim=True).clamp(min=1e-6)
        self.offset = torch.zeros_like(first.planes).requires_grad_(refinement.planes_rate > 0)
        self.encoder = (
            copy.deepcopy(encoder).requires_grad_(True) if refinement.encoder_rate else None
        )

    def __call__(self) -> Triplane:
        planes = self.first.planes if self.encoder is None else self.encoder(self.image)
        return self.first.with_planes(planes + self.unit * self.offset)

    @torch.no_grad()
    def now(self) -> Triplane:
        return self()

    def distance(self, triplane: Triplane) -> Tensor:
        return ((triplane.planes - self.first.planes) / self.unit).square().mean()

    def moved(self) -> list[Moved]:
        planes = (
            [Moved([self.offset], self.refinement.planes_rate)]
            if self.refinement.planes_rate
            else []
        )
        encoder = (
            []
            if self.encoder is None
            else [Moved(list(self.encoder.parameters()), self.refinement.encoder_rate)]
        )
        return [*planes, *encoder]
