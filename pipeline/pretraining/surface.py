"""Adversarial training of a WYSIWYG teacher: EG3D's, and what a surface and its sampler need."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pipeline.losses.surface import sampler_loss, surface_losses
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane
from teachers.wysiwyg.renderer import WysiwygRenderer

from .gan import TeacherGAN


@dataclass(frozen=True)
class SurfaceSettings:
    """Weights and schedule (WYSIWYG sec. 4.3, table A3), in images seen.

    The paper states no weights; those of `conf/teacher_network/wysiwyg64.yaml` are guesses that a
    sweep confirmed (docs/pretraining.md).

    Attributes:
        surface_weight, decisiveness_weight, sampler_weight: of the three losses.
        every: the first two are computed in every so many steps.
        samples: of a ray of these.
        first_beta, last_beta: wanted sharpness of surfaces, world units.
        sharpen_from, sharpen_images: when it goes from one to the other, and how long that takes.
        train_sampler_from: when the proposal network starts to learn.
        sample_from: when images are rendered with it.
        patch: side of the sampler's patch, pixels.
    """

    surface_weight: float
    decisiveness_weight: float
    sampler_weight: float
    every: int
    samples: int
    first_beta: float
    last_beta: float
    sharpen_from: int
    sharpen_images: int
    train_sampler_from: int
    sample_from: int
    patch: int

    def __post_init__(self) -> None:
        if self.sample_from < self.train_sampler_from:
            raise ValueError(
                f"sample_from is {self.sample_from}, train_sampler_from {self.train_sampler_from}:"
                " a sampler has to learn before it is used"
            )

    def beta(self, seen: int) -> float:
        """Wanted sharpness after so many images."""
        share = (seen - self.sharpen_from) / max(1, self.sharpen_images)
        share = min(1.0, max(0.0, share))
        return self.first_beta + share * (self.last_beta - self.first_beta)


class SurfaceGAN(TeacherGAN):
    """`TeacherGAN` of a generator of signed distances.

    Args:
        surface: weights and schedule of its own losses.
        arguments: see `TeacherGAN`.
    """

    def __init__(self, *, surface: SurfaceSettings, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.surface = surface
        self._renderer.sees_directions = True

    @property
    def drawing(self) -> dict[str, Any]:
        """A teacher has no sampler before that has learnt: it would draw noise with one."""
        return {} if self.seen >= self.surface.sample_from else {"learned_sampling": False}

    @property
    def work_changes(self) -> tuple[int, ...]:
        """See `TeacherGAN`."""
        if self._renderer.proposals is None:
            return ()
        return (self.surface.train_sampler_from, self.surface.sample_from)

    @property
    def regularised_every(self) -> int:
        """See `TeacherGAN`."""
        return self.surface.every

    def _render(
        self, z: Tensor, camera: Camera, conditions: Camera | None, random: torch.Generator
    ) -> tuple[Triplane, Rendering]:
        """With two passes until the sampler has learnt."""
        renderer, is_learnt = self._renderer, self.seen >= self.surface.sample_from
        renderer.uses_proposals = renderer.proposals is not None and is_learnt
        return super()._render(z, camera, conditions, random)

    def _regularisation(
        self, triplane: Triplane, camera: Camera, random: torch.Generator
    ) -> Tensor | None:
        found = []
        settings, renderer = self.surface, self._renderer
        if self.steps % settings.every == 0:
            surface, decisiveness = surface_losses(
                renderer,
                triplane,
                camera,
                beta=settings.beta(self.seen),
                resolution=renderer.resolution // 4,
                samples=settings.samples,
            )
            self.log_dict({"surface": surface, "decisiveness": decisiveness})
            weighted = settings.surface_weight * surface
            weighted = weighted + settings.decisiveness_weight * decisiveness
            found.append(weighted * settings.every)
        if renderer.proposals is not None and self.seen >= settings.train_sampler_from:
            side = min(settings.patch, renderer.resolution)
            most = renderer.resolution - side + 1
            row, column = torch.randint(most, (2,), generator=random, device=self.device).tolist()
            loss = sampler_loss(renderer, triplane, camera, (row, column, side))
            self.log("sampler", loss)
            found.append(settings.sampler_weight * loss)
        return sum(found[1:], found[0]) if found else None

    @property
    def _renderer(self) -> WysiwygRenderer:
        renderer = self.generator.renderer
        assert isinstance(renderer, WysiwygRenderer)
        return renderer
