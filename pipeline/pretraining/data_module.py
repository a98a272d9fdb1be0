"""The training images that a step of a teacher's training starts from."""

from dataclasses import dataclass
from typing import Any

import torch
from lightning import LightningDataModule

from pipeline.runs.step_loader import StepLoader
from pipeline.runs.stopwatch import Stopwatch

from .training_images import ImageBatch, TrainingImages


@dataclass(frozen=True)
class TrainingBatch:
    """What one process draws for one step.

    Attributes:
        real: training images.
        random: the generator that they were drawn with; everything else that is drawn in the step
            comes from it, too.
    """

    real: ImageBatch
    random: torch.Generator


class DrawnImages(LightningDataModule):
    """Draws the images of every step, from the module's step on, on the trainer's device.

    A step's generator is seeded by (seed, step, rank): a resumed run continues as if it had not
    stopped.

    Args:
        photographs: training images.
        batch_size: images of each process.
        seed: of the run.

    Attributes:
        stopwatch: counts the time that steps spend on their images as "data".
    """

    def __init__(self, photographs: TrainingImages, *, batch_size: int, seed: int) -> None:
        super().__init__()
        self.photographs = photographs
        self.batch_size = batch_size
        self.seed = seed
        self.stopwatch = Stopwatch()

    def train_dataloader(self) -> StepLoader[TrainingBatch]:
        """The batches that are left of the run."""
        trainer: Any = self.trainer
        self.stopwatch.device = trainer.strategy.root_device
        return StepLoader(self.draw, first=trainer.lightning_module.steps, stopwatch=self.stopwatch)

    def draw(self, step: int) -> TrainingBatch:
        """This process's batch of a step."""
        trainer: Any = self.trainer
        seed = ((self.seed * 1_000_003 + step) * 4099 + trainer.global_rank) % 2**63
        random = torch.Generator(trainer.strategy.root_device).manual_seed(seed)
        return TrainingBatch(self.photographs.draw(self.batch_size, random), random)

    def transfer_batch_to_device(
        self, batch: TrainingBatch, device: torch.device, dataloader_idx: int
    ) -> TrainingBatch:
        """Batches are drawn on the device."""
        return batch
