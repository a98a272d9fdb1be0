"""A dry run: makes and times a few steps of every stage, and keeps nothing of them."""

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from pipeline.runs.provenance import peak_memory_gib
from pipeline.runs.state_tree import StateWriter
from pipeline.runs.step_timer import StepTimer, wait_for_device

from .cost import StageCost
from .held_out import HeldOutScores
from .module import Distillation
from .plan import Stage
from .previews import Previews

REPEATS = 3
"""Timed steps of each kind, after one that isn't timed."""


@dataclass(frozen=True)
class StepKind:
    """Steps that do the same work: with or without the reference view, with or without R1.

    Attributes:
        share: of the stage's steps.
        numbers: some of them.
    """

    share: float
    numbers: tuple[int, ...]


def step_kinds(stage: Stage, *, end: int, r1_every: int | None) -> list[StepKind]:
    """The kinds of steps of a stage.

    Args:
        end: the last step of the stage; -1: it has none.
        r1_every: of the adversary; None without one.
    """
    period = math.lcm(stage.reference_every, r1_every or 1)
    steps = range(stage.start, stage.start + period if end < 0 else min(end, stage.start + period))
    kinds: dict[tuple[int, bool], list[int]] = {}
    for step in steps:
        kinds.setdefault(
            (len(stage.views(step)), r1_every is not None and step % r1_every == 0), []
        ).append(step)
    return [
        StepKind(len(found) / len(steps), tuple(found[: REPEATS + 1])) for found in kinds.values()
    ]


class StateSize(CheckpointIO):
    """Lightning plugin: measures training states instead of saving them."""

    def __init__(self) -> None:
        self.bytes = 0

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Measures a state; raises as `SafetensorsCheckpointIO` would."""
        writer = StateWriter()
        writer.encode(checkpoint)
        self.bytes = sum(tensor.nbytes for tensor in writer.tensors.values())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Nothing was saved."""
        raise FileNotFoundError("a dry run saves nothing")

    def remove_checkpoint(self, path: str | Path) -> None:
        """Nothing to do."""


class StageTimer(StepTimer):
    """Replaces the trainer's steps by steps of every kind of a stage, and times them, a validation
    and a preview.

    Must be the last of the callbacks, with `Speed` as the first. Stops the training when all is
    measured. The training's batches must be those of `steps`.

    Args:
        stage: the stage.
        end: its last step in this run; -1: it has none.
        r1_every: of the adversary; None without one.
        state_size: the trainer's plugin for training states.
        scores, previews: the run's own; the scores may be of fewer identities.
        validation_samples: number of identities of the run's own scores.

    Attributes:
        steps: that are made and timed.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        end: int,
        r1_every: int | None,
        state_size: StateSize,
        scores: HeldOutScores,
        previews: Previews,
        validation_samples: int,
    ) -> None:
        self.stage, self.end, self.state_size = stage, end, state_size
        self.scores, self.previews = scores, previews
        self.validation_samples = validation_samples
        self.kinds = step_kinds(stage, end=end, r1_every=r1_every)
        self.steps = [
            kind.numbers[n % len(kind.numbers)] for kind in self.kinds for n in range(REPEATS + 1)
        ]
        super().__init__(len(self.steps), "teacher")
        self._aside = 0.0
        self._files = (0, 0)

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts counting the GPU's memory."""
        if module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(module.device)

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Makes this step the one whose batch was drawn."""
        assert isinstance(module, Distillation)
        module.step = self.steps[len(self.seconds)]

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Times a validation and a preview, and measures their files in a temporary folder."""
        assert isinstance(module, Distillation)
        with tempfile.TemporaryDirectory() as name:
            student, sheets = Path(name) / "student.safetensors", Path(name) / "previews"
            self.scores.student_path, self.previews.folder = student, sheets
            validation = _timed(module, lambda: self.scores.score(trainer, module))
            showing = _timed(module, lambda: self.previews.show(trainer, module))
            module.lifter.save(student)
            self._files = (
                student.stat().st_size,
                sum(file.stat().st_size for file in sheets.glob("*.png")),
            )
        validation *= self.validation_samples / max(1, self.scores.samples)
        self._aside = validation * self._times(self.scores.every_steps) + showing * self._times(
            self.previews.every_steps
        )
        trainer.save_checkpoint("measured only")

    def cost(self) -> StageCost:
        """The measurements; call this after the training."""
        timed = [
            range(start + 1, start + REPEATS + 1)
            for start in range(0, len(self.steps), REPEATS + 1)
        ]
        seconds, of_teacher = (
            sum(
                kind.share * sum(values[step] for step in steps) / REPEATS
                for kind, steps in zip(self.kinds, timed, strict=True)
            )
            for values in (self.seconds, self.of_part)
        )
        student_bytes, preview_bytes = self._files
        return StageCost(
            name=self.stage.name,
            steps=None if self.end < 0 else self.end - self.stage.start,
            seconds=seconds,
            teacher_share=of_teacher / seconds,
            memory_gib=peak_memory_gib(),
            gpu_gib=(
                torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else None
            ),
            aside_seconds=self._aside,
            state_bytes=self.state_size.bytes,
            student_bytes=student_bytes,
            preview_bytes=preview_bytes,
        )

    def _times(self, every: int) -> float:
        return 1 / every if self.end < 0 else float(self.end // every - self.stage.start // every)


def _timed(module: Distillation, work: Callable[[], object]) -> float:
    wait_for_device(module)
    start = time.perf_counter()
    work()
    wait_for_device(module)
    return time.perf_counter() - start
