"""Training a proposal network on a frozen teacher: where its rays need samples."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from lightning import LightningDataModule, LightningModule
from torch import Tensor

from pipeline.losses.proposals import proposal_loss
from pipeline.runs.step_loader import StepLoader
from pipeline.runs.stopwatch import Stopwatch
from pipeline.sampling.learned_marcher import TrainedProposals
from pipeline.sampling.random_streams import stream
from pipeline.sampling.sample_numbers import batch_numbers
from pipeline.sampling.source import Sampler
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import Renderer, TriplaneRenderer
from teachers.rendering.triplane import Triplane
from teachers.wysiwyg.renderer import WysiwygRenderer

STATE_KEY = "distillation"

Views = tuple[Triplane, Camera]
"""Identities, and a camera of each."""


@dataclass(frozen=True, kw_only=True)
class ProposalSettings:
    """What is trained, and how.

    Attributes:
        network: arguments of `LightProposalNetwork`.
        rays: of each image that are compared with dense samples.
        per_bin: dense samples in each bin.
        resolution: side of the images; null: of the teacher's volume rendering.
        learning_rate: of Adam; it falls on a half cosine.
        total_steps: until this step.
        marcher: arguments of the `LearnedMarcher` of the validation's images.
        reference_samples: of both passes of the dense images that these are compared with.
    """

    network: dict[str, Any]
    rays: int = 512
    per_bin: int = 2
    resolution: int | None = None
    learning_rate: float | int = 2e-3
    total_steps: int = 2000
    marcher: dict[str, Any] = field(default_factory=dict)
    reference_samples: int = 192


class ProposalTraining(LightningModule):
    """A proposal network in training; the teacher isn't trained, moved or saved with it.

    Args:
        trained: the network.
        renderer: the teacher's, without its super-resolution.
        settings: of the training.
        seed: chooses the rays.
        gradient_clip: largest norm of the gradient; None: it isn't limited.
    """

    def __init__(
        self,
        *,
        trained: TrainedProposals,
        renderer: TriplaneRenderer,
        settings: ProposalSettings,
        seed: int,
        gradient_clip: float | int | None = 1.0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = trained.network
        self.trained, self.settings, self.seed = trained, settings, seed
        self._renderer = (renderer,)  # no child module
        self.gradient_clip = math.inf if gradient_clip is None else float(gradient_clip)
        self.step = 0

    @property
    def renderer(self) -> TriplaneRenderer:
        """The teacher's."""
        return self._renderer[0]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.network.parameters(), lr=float(self.settings.learning_rate))

    def training_step(self, batch: Views, batch_idx: int) -> None:
        """One update."""
        optimizer: Any = self.optimizers()
        loss = self.compare(*batch, self.rays(self.step))
        self.manual_backward(loss)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.gradient_clip)
        self.log_dict({"train/loss": loss.detach(), "train/gradient_norm": norm})
        if norm.isfinite():
            for group in optimizer.optimizer.param_groups:
                group["lr"] = self.rate(self.step)
            optimizer.step()
        optimizer.zero_grad()
        self.step += 1

    def rate(self, step: int) -> float:
        """Learning rate of an update."""
        done = min(1.0, step / max(1, self.settings.total_steps))
        return float(self.settings.learning_rate) * (1 + math.cos(math.pi * done)) / 2

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

    @property
    def result(self) -> TrainedProposals:
        """The network as it is now."""
        trained = self.trained
        return TrainedProposals(self.network, trained.arguments, trained.passport, self.step)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the step and the teacher's passport."""
        checkpoint[STATE_KEY] = {"step": self.step, "passport": self.trained.passport.to_json()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Continues; ValueError if the state belongs to another teacher."""
        stored = checkpoint[STATE_KEY]
        Passport.from_json(stored["passport"], "the training state").require_same(
            self.trained.passport, mine="the run to be continued", others="the configuration"
        )
        self.step = int(stored["step"])


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


class NumberedViews(LightningDataModule):
    """The views of every step, from the module's step on: step n has the numbers n · batch_size …
    (n + 1) · batch_size − 1, shared among the processes.

    Args:
        sampler: of the teacher.
        batch_size: identities a step, of all processes together.
    """

    def __init__(self, sampler: Sampler, *, batch_size: int) -> None:
        super().__init__()
        self.sampler, self.batch_size, self.stopwatch = sampler, batch_size, Stopwatch()

    def train_dataloader(self) -> StepLoader[Views]:
        """The views that are left."""
        trainer: Any = self.trainer
        self.sampler.to(trainer.strategy.root_device)
        draw: Callable[[int], Views] = self.draw
        return StepLoader(draw, first=trainer.lightning_module.step, stopwatch=self.stopwatch)

    def draw(self, step: int) -> Views:
        """Those of this process in a step."""
        trainer: Any = self.trainer
        numbers = batch_numbers(
            step,
            batch_size=self.batch_size,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        return draw_views(self.sampler, numbers)

    def transfer_batch_to_device(
        self, batch: Views, device: torch.device, dataloader_idx: int
    ) -> Views:
        """They are drawn there."""
        return batch
