"""The search for the latent of a photograph: what W, W+ and the first half of PTI are."""

import copy
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.sampling.random_streams import normals
from teachers.rendering.camera import Camera
from teachers.teacher import Teacher

from .descent import Course, Moved, Schedule, descend
from .input_loss import InputLoss
from .latent_statistics import LatentStatistics
from .moving_camera import CameraSearch, MovingCamera
from .noise_maps import NoiseMaps, has_noise_maps

Space = Literal["w", "w_plus"]


@dataclass(frozen=True, kw_only=True)
class LatentSearch:
    """Steps, rates and noise of the search; the defaults are PTI's first phase.

    Attributes:
        steps: updates (PTI: 450; EG3D-projector: 500; LP3D's baseline and WYSIWYG: 600).
        learning_rate: of Adam, for the latent and the noise images (PTI: 5e-3).
        warm_up, cool_down: see `Schedule`.
        samples: z whose ws give the mean, where the search begins, and the deviation
            (EG3D-projector: 600).
        latent_noise: strength of the noise on the latent at the start, in deviations; falls with
            the square of the time that is left (PTI: 0.05).
        noisy_share: share of the steps in which there is any (PTI: 0.75).
        noise_weight: of the regularisation of the noise images, where the teacher has any (PTI:
            1e5).
    """

    steps: int = 450
    learning_rate: float | int = 5e-3
    warm_up: float | int = 0.05
    cool_down: float | int = 0.25
    samples: int = 600
    latent_noise: float | int = 0.05
    noisy_share: float | int = 0.75
    noise_weight: float | int = 1e5

    def __post_init__(self) -> None:
        if self.samples < 2 or not 0 <= self.noisy_share <= 1 or self.latent_noise < 0:
            raise ValueError(
                f"samples={self.samples}, noisy_share={self.noisy_share},"
                f" latent_noise={self.latent_noise}: give 2 samples or more, a share between 0 and"
                " 1, a noise of 0 or more"
            )

    @property
    def schedule(self) -> Schedule:
        """Of the learning rate."""
        return Schedule(steps=self.steps, warm_up=self.warm_up, cool_down=self.cool_down)

    def noise_at(self, step: int) -> float:
        """The strength of the latent's noise in a step, in deviations."""
        if not self.noisy_share:
            return 0.0
        left = max(0.0, 1 - step / self.steps / self.noisy_share)
        return self.latent_noise * left**2


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        teacher: whose latent it is: the teacher that was searched or, where it has noise images, a
            copy with those found.
        ws: the latent.
        camera: where it was compared.
        courses: of the camera alone, if that moved, and of the search.
    """

    teacher: Teacher
    ws: Float[Tensor, "1 layer w_dim"]
    camera: MovingCamera
    courses: tuple[Course, ...]


def search_latent(
    teacher: Teacher,
    loss: InputLoss,
    given: Camera | None,
    *,
    space: Space,
    search: LatentSearch,
    camera: CameraSearch,
    statistics: LatentStatistics,
    seed: int,
    title: str,
    progress: bool = True,
) -> Found:
    """Looks for the ws whose rendering is nearest to a photograph.

    Args:
        teacher: is left as it is.
        loss: at the input view.
        given: the camera that took the photograph, if that is known.
        space: one w for all layers, or one for each.
        search, camera: how.
        statistics: of the teacher.
        seed: of the noise.
        title: of the bars.
        progress: whether there are any.
    """
    mean = statistics.mean.to(teacher.mean_latent())
    own, maps = _with_noise_maps(teacher)
    with torch.no_grad():
        mean_identity = own.synthesize(mean)

    def from_camera(camera: Camera) -> Tensor:
        return loss(own.render(mean_identity, camera, ws=mean))

    moving, courses = camera.begin(
        given,
        teacher.passport,
        from_camera,
        like=mean_identity.planes,
        title=title,
        progress=progress,
    )
    latent = (mean.mean(1, keepdim=True) if space == "w" else mean).clone().requires_grad_()

    def losses(step: int) -> tuple[Tensor, Tensor]:
        noise = (
            normals(seed, [step], f"inversion/{space}", latent.numel())
            .to(latent)
            .reshape(latent.shape)
        )
        ws = (latent + noise * (search.noise_at(step) * statistics.deviation)).expand_as(mean)
        distance = loss(own.render(own.synthesize(ws), moving(), ws=ws))
        return distance + search.noise_weight * maps.regularizer() if maps else distance, distance

    moved = [Moved([latent, *(maps.maps if maps else ())], search.learning_rate), *moving.moved()]
    course = descend(
        moved,
        losses,
        search.schedule,
        title=title,
        progress=progress,
        after=maps.normalize if maps else None,
    )
    if maps:
        maps.freeze()
    return Found(own, latent.detach().expand_as(mean).clone(), moving, (*courses, course))


def _with_noise_maps(teacher: Teacher) -> tuple[Teacher, NoiseMaps | None]:
    """A copy whose noise images may be changed; the teacher itself where its planes don't depend on
    any.
    """
    if not has_noise_maps(teacher):
        return teacher, None
    own = copy.deepcopy(teacher)
    maps = NoiseMaps.of(own)
    return (own, maps) if maps.maps else (teacher, None)
