"""Training a proposal network on a frozen teacher: where its rays need samples."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from pipeline.losses.proposals import proposal_loss
from pipeline.sampling.learned_marcher import TrainedProposals
from pipeline.sampling.random_streams import stream
from pipeline.sampling.source import Sampler
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import Renderer, TriplaneRenderer
from teachers.rendering.triplane import Triplane
from teachers.wysiwyg.renderer import WysiwygRenderer

from .network_training import NetworkSettings, NetworkTraining

Views = tuple[Triplane, Camera]
"""Identities, and a camera of each."""


@dataclass(frozen=True, kw_only=True)
class ProposalSettings(NetworkSettings):
    """What is trained, and how.

    Attributes:
        network: arguments of `LightProposalNetwork`.
        rays: of each image that are compared with dense samples.
        per_bin: dense samples in each bin.
        resolution: side of the images; null: of the teacher's volume rendering.
        marcher: arguments of the `LearnedMarcher` of the validation's images.
        reference_samples: of both passes of the dense images that these are compared with.
    """

    rays: int = 512
    per_bin: int = 2
    resolution: int | None = None
    learning_rate: float | int = 2e-3
    marcher: dict[str, Any] = field(default_factory=dict)
    reference_samples: int = 192


class ProposalTraining(NetworkTraining):
    """A proposal network in training on a frozen teacher.

    Args:
        trained: the network.
        renderer: the teacher's, without its super-resolution.
        settings: of the training.
        seed: chooses the rays.
        gradient_clip: see `NetworkTraining`.
    """

    settings: ProposalSettings

    def __init__(
        self,
        *,
        trained: TrainedProposals,
        renderer: TriplaneRenderer,
        settings: ProposalSettings,
        seed: int,
        gradient_clip: float | int | None = 1.0,
    ) -> None:
        super().__init__(trained, settings, gradient_clip=gradient_clip)
        self.network = trained.network
        self.seed = seed
        self._renderer = (renderer,)  # no child module

    @property
    def renderer(self) -> TriplaneRenderer:
        """The teacher's."""
        return self._renderer[0]

    def training_step(self, batch: Views, batch_idx: int) -> None:
        """One update."""
        loss = self.compare(*batch, self.rays(self.step))
        self.manual_backward(loss)
        self.log("train/loss", loss.detach())
        self.update()

    def rays(self, step: int) -> Tensor:
        """Numbers of the rays that an update compares."""
        total = self.renderer.resolution**2
        order = stream(self.seed, step, "proposals/rays").permutation(total)
        return torch.from_numpy(order[: self.settings.rays])

    def compare(self, triplane: Triplane, camera: Camera, chosen: Tensor) -> Tensor:
        """The loss of some rays of images."""
        return proposal_loss(
            self.network,
            self.renderer.field(triplane),
            camera,
            self.renderer.resolution,
            self.renderer.sampling,
            chosen.to(triplane.planes.device),
            probe_samples=self.network.bins + 1,
            per_bin=self.settings.per_bin,
        )


def volume_renderer(renderer: Renderer, resolution: int | None) -> TriplaneRenderer:
    """A teacher's renderer without its super-resolution, whose marcher can be chosen.

    Raises:
        ValueError: it isn't of that kind, or samples by a network of its own.
    """
    if not isinstance(renderer, TriplaneRenderer):
        raise ValueError(
            f"{type(renderer).__name__} has no ray marcher that could be replaced: a proposal"
            " network needs a TriplaneRenderer"
        )
    if isinstance(renderer, WysiwygRenderer) and renderer.uses_proposals:
        raise ValueError("this teacher has a proposal network of its own: it needs no second one")
    return renderer.changed(resolution=resolution, super_resolution=False)


def draw_views(sampler: Sampler, numbers: list[int]) -> Views:
    """Identities, even ones by their reference camera, odd ones by their novel one."""
    draws = sampler.draw(numbers)
    is_odd = torch.tensor(numbers) % 2 == 1

    def pick(reference: Tensor, novel: Tensor) -> Tensor:
        return torch.where(is_odd.reshape(-1, *[1] * (novel.ndim - 1)), novel, reference)

    camera = Camera(
        pick(draws.reference.cam_to_world, draws.novel.cam_to_world),
        pick(draws.reference.intrinsics, draws.novel.intrinsics),
    )
    with torch.no_grad():
        triplane = sampler.synthesize(draws)
    return triplane, camera.to(triplane.planes)
