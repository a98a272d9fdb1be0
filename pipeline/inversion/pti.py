"""PTI, pivotal tuning inversion (Roich et al. 2021): a latent in W, then a copy of the generator is
tuned to the photograph.

It is LP3D's baseline "EG3D-PTI" (600 steps) and WYSIWYG's inversion (350). According to LP3D longer
tuning improves the input view and worsens novel views.
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
        stop_at: LPIPS (AlexNet) at which the phase ends (PTI: 0.06); other terms don't end it.
    """

    steps: int = 350
    learning_rate: float | int = 3e-4
    stop_at: float | int = 0.06


class PTI(W):
    """Inversion in W, then tuning of a copy of the generator (see `Method`).

    Args:
        models: with the teacher.
        search: the first phase.
        tuning: the second phase.
        locality: the regularisation of the second phase.
        camera: whether and how the camera is optimised, in both phases (as in WYSIWYG).
        weights: of pixels and perceptual term, in both phases.
        seed: of all random numbers.
        progress: whether there is a progress bar.

    Raises:
        ValueError: the teacher has no weights to tune.
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
        """Optimises the weights of the copy, and the camera if that is learnable."""
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
