"""The search for the latent of a photograph: W, W+ and the first phase of PTI."""

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
    """Steps, rates and noise of the search. The defaults are PTI's first phase.

    Attributes:
        steps: updates (PTI: 450; EG3D-projector: 500; LP3D's baseline and WYSIWYG: 600).
        learning_rate: of Adam, for the latent and the noise maps (PTI: 5e-3).
        warm_up, cool_down: see `Schedule`.
        samples: z for the mean of ws, which initialises the search, and their standard deviation
            (EG3D-projector: 600).
        latent_noise: standard deviation of the noise on the latent at the start, in deviations of
            w; it falls with the square of the remaining share of the noisy steps (StyleGAN2 app. D;
            PTI: 0.05).
        noisy_share: share of the steps with noise (PTI: 0.75).
        noise_weight: of the regularisation of the noise maps, if the teacher has any (PTI: 1e5).

    Raises:
        ValueError: fewer than 2 samples, a share outside [0, 1], or negative noise.
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
        """Standard deviation of the noise on the latent at a step, in deviations of w."""
        if not self.noisy_share:
            return 0.0
        left = max(0.0, 1 - step / self.steps / self.noisy_share)
        return self.latent_noise * left**2


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        teacher: the teacher or, if its planes depend on noise maps, a copy with the optimised ones.
        ws: the latent.
        camera: of the input view.
        courses: of the camera's own descent, if there was one, and of the search.
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
    """The ws that minimise the loss at the input view.

    Args:
        teacher: is not changed.
        loss: at the input view.
        given: the camera that took the photograph; None: unknown.
        space: one w for all layers ("w"), or one for each ("w_plus").
        search, camera: settings of the two descents.
        statistics: of the teacher's latents.
        seed: of the noise.
        title: of the progress bars.
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
    """A copy whose noise maps can be optimised; the teacher itself if its planes depend on none."""
    if not has_noise_maps(teacher):
        return teacher, None
    own = copy.deepcopy(teacher)
    maps = NoiseMaps.of(own)
    return (own, maps) if maps.maps else (teacher, None)
