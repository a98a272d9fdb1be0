"""What a run would take: a few steps of every stage are made and timed, and nothing of them is
kept.
"""

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from pipeline.runs.provenance import peak_memory_gib
from pipeline.runs.state_tree import StateWriter

from .held_out import HeldOutScores
from .module import Distillation
from .plan import Stage
from .prefetch import overlaps
from .previews import Previews

REPEATS = 3
"""So many steps of each kind are timed, after one that isn't."""

HEADER = (
    "stage",
    "steps",
    "s/step",
    "samples/s",
    "teacher",
    "memory",
    "GPU memory",
    "takes",
    "ends after",
)


@dataclass(frozen=True)
class StepKind:
    """Steps that do the same work: whether the reference view is rendered, and whether the
    discriminator is penalised.

    Attributes:
        share: of the stage's steps.
        numbers: some of them.
    """

    share: float
    numbers: tuple[int, ...]


def step_kinds(stage: Stage, *, end: int, r1_every: int | None) -> list[StepKind]:
    """The kinds of steps of a stage.

    Args:
        end: where the stage ends; -1: never.
        r1_every: of the adversary; None without any.
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


@dataclass(frozen=True)
class StageCost:
    """What a stage takes, as measured in one process.

    Attributes:
        name, steps: of the stage; steps is None for one without end.
        seconds: of a step, the mean over its kinds.
        teacher_share: of that time.
        memory_gib: largest resident memory of the process so far.
        gpu_gib: largest memory that torch has allocated on the GPU in this stage; None without a
            GPU.
        aside_seconds: of all the validations and previews of the stage; without end, of those of
            one step on average.
        state_bytes, student_bytes, preview_bytes: of a training state, a student.safetensors and a
            sheet of pictures.
    """

    name: str
    steps: int | None
    seconds: float
    teacher_share: float
    memory_gib: float
    gpu_gib: float | None
    aside_seconds: float
    state_bytes: int
    student_bytes: int
    preview_bytes: int

    @property
    def total_seconds(self) -> float | None:
        """Until the stage is over; None if it never is."""
        return None if self.steps is None else self.steps * self.seconds + self.aside_seconds


class StateSize(CheckpointIO):
    """Lightning plugin: measures training states instead of saving them."""

    def __init__(self) -> None:
        self.bytes = 0

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Notes the size; raises as `SafetensorsCheckpointIO` would."""
        writer = StateWriter()
        writer.encode(checkpoint)
        self.bytes = sum(tensor.nbytes for tensor in writer.tensors.values())

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """There is none."""
        raise FileNotFoundError("a dry run saves nothing")

    def remove_checkpoint(self, path: str | Path) -> None:
        """Nothing to do."""


class StageTimer(Callback):
    """Makes the trainer's steps those of some kinds of a stage, times them, and what is done beside
    the steps.

    To be the last of the callbacks; stops the training when it has seen enough.

    Args:
        stage: the stage.
        end: where it ends in this run; -1: never.
        r1_every: of the adversary; None without any.
        state_size: the trainer's plugin for training states.
        scores, previews: the run's own; the scores may be of fewer identities.
        validation_samples: how many identities the run's own scores are of.
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
        self._planned = [
            kind.numbers[n % len(kind.numbers)] for kind in self.kinds for n in range(REPEATS + 1)
        ]
        self._seconds: list[float] = []
        self._of_teacher: list[float] = []
        self._aside = 0.0
        self._files = (0, 0)

    @property
    def num_steps(self) -> int:
        """Of the trainer."""
        return len(self._planned)

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """The GPU's memory is counted from here."""
        if module.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(module.device)

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Another step begins."""
        assert isinstance(module, Distillation)
        module.step = self._planned[len(self._seconds)]
        if overlaps(module.prefetcher.overlap, module.device):
            numbers = module.numbers(module.step)[0]
            module.prefetcher.take(
                numbers, then=numbers
            )  # so that, as always, the step finds its identities made
            module.prefetcher.settle()
        _wait(module)
        module.stopwatch.reset()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """It is over."""
        assert isinstance(module, Distillation)
        _wait(module)
        share = module.stopwatch.share("teacher")
        self._seconds.append(module.stopwatch.elapsed())
        self._of_teacher.append(share * self._seconds[-1])
        trainer.should_stop = len(self._seconds) == len(self._planned)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Times a validation and a sheet of pictures, and measures the files, in a folder that is
        removed.
        """
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
        """To be asked after the training."""
        timed = [
            range(start + 1, start + REPEATS + 1)
            for start in range(0, len(self._planned), REPEATS + 1)
        ]
        seconds, of_teacher = (
            sum(
                kind.share * sum(values[step] for step in steps) / REPEATS
                for kind, steps in zip(self.kinds, timed, strict=True)
            )
            for values in (self._seconds, self._of_teacher)
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
    _wait(module)
    start = time.perf_counter()
    work()
    _wait(module)
    return time.perf_counter() - start


def _wait(module: Distillation) -> None:
    if module.device.type == "cuda":
        torch.cuda.synchronize(module.device)


def cost_table(
    costs: Sequence[StageCost], *, batch_size: int, preview_every: int, folder: Path
) -> str:
    """The costs of a run's stages, from its first step to its last, for identities to read.

    Args:
        costs: in order.
        batch_size: identities a step, of all processes together.
        preview_every: steps from one sheet to the next.
        folder: where the run will live.
    """
    rows, done, since = [HEADER], 0, 0.0
    for cost in costs:
        takes, since = (
            cost.total_seconds,
            math.inf if cost.total_seconds is None else since + cost.total_seconds,
        )
        end = "∞" if cost.steps is None else str(done + cost.steps)
        gpu = "-" if cost.gpu_gib is None else f"{cost.gpu_gib:.1f} GiB"
        speed = (
            f"{cost.seconds:.3g}",
            f"{batch_size / cost.seconds:.3g}",
            f"{cost.teacher_share:.0%}",
        )
        memory = (f"{cost.memory_gib:.1f} GiB", gpu)
        rows.append(
            (
                cost.name,
                f"{done} … {end}",
                *speed,
                *memory,
                duration(math.inf if takes is None else takes),
                duration(since),
            )
        )
        done += cost.steps or 0
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(
        [*lines, _totals(costs, done, since), _disk(costs, done // preview_every + 1, folder)]
    )


def _totals(costs: Sequence[StageCost], steps: int, seconds: float) -> str:
    if math.isinf(seconds):
        return "the run: without end"
    aside = sum(cost.aside_seconds for cost in costs) / seconds
    return (
        f"the run: {steps} steps in {duration(seconds)}, of which validation and previews"
        f" {aside:.0%}; saving is not counted"
    )


def _disk(costs: Sequence[StageCost], sheets: int, folder: Path) -> str:
    state, student, sheet = (
        max(sizes)
        for sizes in zip(
            *((c.state_bytes, c.student_bytes, c.preview_bytes) for c in costs), strict=True
        )
    )
    needed = 2 * state + student + sheets * sheet
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    text = (
        f"disk: {size(needed)} = training state {size(state)}, twice while it is saved + student"
        f" {size(student)} + {sheets} sheets of {size(sheet)}; free: {size(free)}"
    )
    return text if needed < free else f"{text}: TOO LITTLE"


def size(num_bytes: int) -> str:
    """Bytes in a unit that suits them."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{num_bytes / 2**10:.0f} KiB"


def duration(seconds: float) -> str:
    """The two largest units of a time."""
    if math.isinf(seconds):
        return "∞"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    left = round(seconds)
    parts: list[str] = []
    for name, length in units:
        if left >= length or (name == "s" and not parts):
            parts.append(f"{left // length} {name}")
            left %= length
    return " ".join(parts[:2])
