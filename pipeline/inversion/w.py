"""W: one latent for all layers of the teacher, optimised from the mean. The result stays in the
teacher's distribution, and reconstructs the photograph worst.
"""

from functools import cached_property

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera

from .input_loss import InputLoss, LossWeights, at_side
from .latent_search import Found, LatentSearch, Space, search_latent
from .latent_statistics import LatentStatistics, latent_statistics
from .method import MethodKind
from .models import Models
from .moving_camera import CameraSearch
from .portrait import InvertedPortrait, identity_of, require_one_latent


class W:
    """Inversion in W (see `Method`), deterministic for a seed.

    Args:
        models: with the teacher.
        search: steps, rates and noise.
        camera: whether and how the camera is optimised.
        weights: of pixels and perceptual term.
        seed: of all random numbers.
        progress: whether there is a progress bar.

    Raises:
        ValueError: the identities that it would find can't be stored.
    """

    name, title, takes_camera = "w", "W", True
    kind: MethodKind = "inversion"
    space: Space = "w"

    def __init__(
        self,
        *,
        models: Models,
        search: LatentSearch | None = None,
        camera: CameraSearch | None = None,
        weights: LossWeights | None = None,
        seed: int = 0,
        progress: bool = True,
    ) -> None:
        self.teacher, self.passport = models.teacher, models.teacher.passport
        if self.space == "w_plus":
            require_one_latent(self.teacher)
        self.image_size = self.passport.image_resolution
        self.search, self.camera, self.weights = (
            search or LatentSearch(),
            camera or CameraSearch(),
            weights or LossWeights(),
        )
        self.seed, self.progress = seed, progress
        self.term = models.perceptual(self.passport)
        self.notes: tuple[str, ...] = (
            (f"perceptual term: {self.term.name}",) if self.weights.perceptual else ()
        )

    @cached_property
    def statistics(self) -> LatentStatistics:
        """Of the teacher's latents; computed once."""
        return latent_statistics(self.teacher, samples=self.search.samples, seed=self.seed)

    def loss(self, image: Float[Tensor, "1 3 height width"]) -> InputLoss:
        """The loss for a photograph, on the teacher's device."""
        target = at_side(image.to(self.teacher.mean_latent()), self.passport.image_resolution)
        return InputLoss(target, self.term, self.weights)

    def find(self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None) -> Found:
        """The latent of a photograph."""
        return search_latent(
            self.teacher,
            self.loss(image),
            camera,
            space=self.space,
            search=self.search,
            camera=self.camera,
            statistics=self.statistics,
            seed=self.seed,
            title=self.title,
            progress=self.progress,
        )

    def lift(
        self, image: Float[Tensor, "1 3 height width"], camera: Camera | None = None
    ) -> InvertedPortrait:
        """See `Method.lift`."""
        found = self.find(image, camera)
        notes = [note for course in found.courses for note in course.note(self.title)]
        return identity_of(
            found.teacher,
            found.ws,
            name=f"found in {self.title}",
            camera=found.camera.now(),
            courses=found.courses,
            notes=notes,
        )
