"""Training a small network beside what stays frozen: a fuser, a proposal network."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import torch
from lightning import LightningDataModule, LightningModule

from pipeline.runs.network_file import TrainedNetwork
from pipeline.runs.step_loader import StepLoader
from pipeline.runs.stopwatch import Stopwatch
from pipeline.sampling.sample_numbers import process_numbers
from teachers.passport import Passport

from .optimizer import require_steps

STATE_KEY = "distillation"

Batch = TypeVar("Batch")


@dataclass(frozen=True, kw_only=True)
class NetworkSettings:
    """What is trained, and how fast.

    Attributes:
        network: its arguments.
        learning_rate: of Adam; it falls on a half cosine.
        total_steps: until this step.

    Raises:
        ValueError: that is less than one.
    """

    network: dict[str, Any]
    learning_rate: float | int
    total_steps: int = 2000

    def __post_init__(self) -> None:
        require_steps(self.total_steps)


class NetworkTraining(LightningModule, ABC):
    """A small network in training. A subclass registers it by the name that its training states
    have, and nothing that stays frozen.

    Args:
        trained: the network.
        settings: of the training.
        gradient_clip: largest norm of the gradient; None: it isn't limited.
    """

    def __init__(
        self,
        trained: TrainedNetwork[Any],
        settings: NetworkSettings,
        *,
        gradient_clip: float | int | None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.trained = replace(trained, network=trained.network.train())
        self.settings, self.step = settings, 0
        self.gradient_clip = math.inf if gradient_clip is None else float(gradient_clip)

    @abstractmethod
    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Gradients of the batch, then `update`."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.trained.network.parameters(), lr=self.rate(0))

    def rate(self, step: int) -> float:
        """Learning rate of an update."""
        done = min(1.0, step / max(1, self.settings.total_steps))
        return float(self.settings.learning_rate) * (1 + math.cos(math.pi * done)) / 2

    def update(self) -> None:
        """Updates the network from its gradients and counts the step; gradients that aren't finite
        are left out of it.
        """
        optimizer: Any = self.optimizers()
        norm = torch.nn.utils.clip_grad_norm_(self.trained.network.parameters(), self.gradient_clip)
        self.log("train/gradient_norm", norm)
        if not norm.isfinite():
            optimizer.zero_grad(set_to_none=True)
        for group in optimizer.optimizer.param_groups:
            group["lr"] = self.rate(self.step)
        optimizer.step()  # without gradients, too: Lightning counts steps by it
        optimizer.zero_grad()
        self.step += 1

    @property
    def result(self) -> Any:
        """The `TrainedNetwork` as it is now."""
        return replace(self.trained, step=self.step)

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


class NumberedBatches(LightningDataModule, Generic[Batch]):
    """The batches of every step, from the module's step on: step n has the numbers n · batch_size …
    (n + 1) · batch_size − 1, shared among the processes.

    Args:
        draw: numbers, device → batch, there.
        batch_size: numbers a step, of all processes together.
    """

    def __init__(
        self, draw: Callable[[list[int], torch.device], Batch], *, batch_size: int
    ) -> None:
        super().__init__()
        self.draw, self.batch_size, self.stopwatch = draw, batch_size, Stopwatch()

    def train_dataloader(self) -> StepLoader[Batch]:
        """The batches that are left."""
        trainer: Any = self.trainer
        return StepLoader(
            self.of_step, first=trainer.lightning_module.step, stopwatch=self.stopwatch
        )

    def of_step(self, step: int) -> Batch:
        """That of this process."""
        trainer: Any = self.trainer
        numbers = process_numbers(trainer, step, self.batch_size)
        return self.draw(numbers, trainer.strategy.root_device)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """They are drawn there."""
        return batch
