"""The batches that a student learns from, drawn by sample number."""

from collections.abc import Sequence
from typing import Any

import torch
from lightning import LightningDataModule

from pipeline.batch import DistillationBatch
from pipeline.runs.stopwatch import Stopwatch
from pipeline.sampling.sample_numbers import process_numbers
from pipeline.sampling.source import BatchSource

from .loader import ENDLESS, BatchLoader, CPULane, CUDALane, Overlap, overlaps


class SampledBatches(LightningDataModule):
    """Draws the batch of every step, from the module's step on, on the trainer's device.

    Step n has the sample numbers n · batch_size … (n + 1) · batch_size − 1, shared among the
    processes by `batch_numbers`: no number comes up twice, and a continued run has the same batches
    as one that never stopped, whatever the number of processes.

    Args:
        source: draws the batches, or reads them from shards.
        batch_size: identities per step, of all processes together.
        accumulate: number of parts in which a process draws its share (see `Distillation`).
        overlap: whether the next batch is drawn while the student learns (see `overlaps`).
        steps: draw these steps' batches instead (a dry run's).

    Attributes:
        stopwatch: counts the time that steps spend on their batches as "teacher".
    """

    def __init__(
        self,
        source: BatchSource,
        *,
        batch_size: int,
        accumulate: int = 1,
        overlap: Overlap = "auto",
        steps: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.overlap = overlap
        self.steps = steps
        self.stopwatch = Stopwatch()
        self._loader: BatchLoader | None = None

    def train_dataloader(self) -> BatchLoader:
        """The batches that are left of the run."""
        trainer: Any = self.trainer
        device = trainer.strategy.root_device
        self.source.to(device)
        self.stopwatch.device = device
        lane = None
        if overlaps(self.overlap, device):
            lane = CUDALane(device) if device.type == "cuda" else CPULane()
        end = trainer.max_steps if trainer.max_steps > 0 else ENDLESS
        steps = (
            range(trainer.lightning_module.step, end) if self.steps is None else list(self.steps)
        )
        self._loader = BatchLoader(self.draw, steps, lane=lane, stopwatch=self.stopwatch)
        return self._loader

    def draw(self, step: int) -> DistillationBatch:
        """This process's batch of a step. Its parts are drawn one after the other, which takes less
        memory than all at once.
        """
        return DistillationBatch.cat([self.source(numbers) for numbers in self.numbers(step)])

    def numbers(self, step: int) -> list[list[int]]:
        """The sample numbers of this process in a step, part by part.

        Raises:
            ValueError: the processes, or the parts, can't share the batch evenly.
        """
        numbers = process_numbers(self.trainer, step, self.batch_size)
        if len(numbers) % self.accumulate:
            raise ValueError(
                f"{len(numbers)} identities of a process cannot be lifted in {self.accumulate}"
                " equal parts: change accumulate"
            )
        # The discriminator compares an image with every (batch / group)-th other one: strided parts
        # keep its groups together, and with them the gradient of the undivided batch.
        return [numbers[part :: self.accumulate] for part in range(self.accumulate)]

    def transfer_batch_to_device(
        self, batch: DistillationBatch, device: torch.device, dataloader_idx: int
    ) -> DistillationBatch:
        """Batches are drawn on the device."""
        return batch

    def synchronize(self) -> None:
        """Waits until no batch is being drawn: afterwards others may use the source's teacher, and
        what the source has counted belongs to the steps so far and the next one.
        """
        if self._loader is not None:
            with self.stopwatch.part("teacher"):
                self._loader.synchronize()

    def teardown(self, stage: str) -> None:
        """Ends the loader's thread."""
        if self._loader is not None:
            self._loader.close()

    def on_exception(self, exception: BaseException) -> None:
        """As at the end of a run."""
        self.teardown("fit")
