"""PTI (Roich et al. 2021): the latent first (W), then the generator itself is tuned to the
photograph, on a copy.

LP3D's baseline "EG3D-PTI" and WYSIWYG invert so: 600 steps and 350. LP3D's verdict: longer tuning
improves the input view and spoils the others.
"""

import copy
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from teachers.rendering.camera import Camera
from teachers.teacher import Teacher

from .descent import Course, Moved, Schedule, descend
from .input_loss import InputLoss, LossWeights
from .latent_search import Found, LatentSearch
from .locality import Locality
from .models import Models
from .moving_camera import CameraSearch
from .portrait import InvertedPortrait, identity_of
from .w import W


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The second phase.

    Attributes:
        steps: updates of the generator (PTI: 350).
        learning_rate: of Adam, constant (PTI: 3e-4).
        stop_at: LPIPS at which it ends (PTI: 0.06); other perceptual terms never end it.
    """

    steps: int = 350
    learning_rate: float | int = 3e-4
    stop_at: float | int = 0.06


class PTI(W):
    """Optimisation in W, then tuning of the generator (see `Method`). The teacher keeps its
    weights: a copy is tuned.

    Args:
        models: with the teacher, whose weights are tuned on a copy.
        search: the first phase.
        tuning: the second phase.
        locality: what keeps neighbours as they were.
        camera: whether the camera is optimised, too: in both phases (WYSIWYG).
        weights: of pixels and perceptual term, in both phases.
        seed: of all that is drawn.
        progress: whether a bar shows the loss.
    """

    name, title = "pti", "PTI"

    def __init__(
        self,
        *,
        models: Models,
        search: LatentSearch | None = None,
        tuning: Tuning | None = None,
        locality: Locality | None = None,
        camera: CameraSearch | None = None,
        weights: LossWeights | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        super().__init__(
            models=models,
            search=search,
            camera=camera,
            weights=weights,
            seed=seed,
            progress=progress,
        )
        self.tuning, self.locality = tuning or Tuning(), locality or Locality()
        if not isinstance(self.teacher, nn.Module) or not any(
            True for _ in self.teacher.parameters()
        ):
            raise ValueError(
                f"PTI tunes a generator's weights, and the teacher {self.passport.name!r} has none:"
                " use another method"
            )

    def lift(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> InvertedPortrait:
        """See `Method.lift`."""
        found = self.find(image, camera)
        tuned = copy.deepcopy(found.teacher)
        course = self._tune(found, tuned, self.loss(image))
        courses = (*found.courses, course)
        notes = [note for one in courses for note in one.note(self.title)]
        return identity_of(
            tuned,
            found.ws,
            name="tuned to one photograph",
            camera=found.camera.now(),
            courses=courses,
            notes=notes,
        )

    def _tune(self, found: Found, tuned: Teacher, loss: InputLoss) -> Course:
        """Moves the weights of the copy (and the camera, if that moves)."""
        assert isinstance(tuned, nn.Module)
        parameters = list(tuned.parameters())
        for parameter in parameters:
            parameter.requires_grad_(True)
        seen = 0.0

        def losses(step: int) -> tuple[Tensor, Tensor]:
            nonlocal seen
            camera = found.camera()
            rendering = tuned.render(tuned.synthesize(found.ws), camera, ws=found.ws)
            distance = loss(rendering)
            if loss.term.is_lpips:
                seen = float(loss.seen(rendering).detach())
            if not self.locality.counts(step):
                return distance, distance
            near = self.locality(
                found.teacher,
                tuned,
                found.ws,
                found.camera.now(),
                loss=loss,
                seed=self.seed,
                step=step,
            )
            return distance + near, distance

        course = descend(
            [Moved(parameters, self.tuning.learning_rate), *found.camera.moved()],
            losses,
            Schedule(steps=self.tuning.steps, warm_up=0, cool_down=0),
            title=f"{self.title}, generator",
            progress=self.progress,
            until=lambda: loss.term.is_lpips and seen <= self.tuning.stop_at,
        )
        tuned.requires_grad_(False)
        return course
