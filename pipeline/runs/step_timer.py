"""Seconds of a trainer's steps, for dry runs."""

import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer


class StepTimer(Callback):
    """Times every step from the end of the one before, and stops the training after `count`.

    The data module has a `stopwatch`, which is reset after each step.

    Args:
        count: number of steps.
        part: what the stopwatch tells apart in a step.

    Attributes:
        seconds, of_part: of the steps so far.
    """

    def __init__(self, count: int, part: str) -> None:
        self.count, self.part = count, part
        self.seconds: list[float] = []
        self.of_part: list[float] = []
        self._started = 0.0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """The first step begins."""
        self._start(module)

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes the step's seconds."""
        wait_for_device(module)
        stopwatch = trainer.datamodule.stopwatch  # type: ignore[attr-defined]
        self.seconds.append(time.perf_counter() - self._started)
        self.of_part.append(stopwatch.seconds(self.part))
        stopwatch.reset()
        trainer.should_stop = len(self.seconds) == self.count
        self._start(module)

    def _start(self, module: LightningModule) -> None:
        wait_for_device(module)
        self._started = time.perf_counter()


def wait_for_device(module: LightningModule) -> None:
    """Returns when a GPU has done what it was given."""
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)
