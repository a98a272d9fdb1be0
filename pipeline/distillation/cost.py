"""What a run takes, as a table: time, memory and disk of every stage."""

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.runs.durations import duration

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
class StageCost:
    """What a stage takes, as measured in one process.

    Attributes:
        name, steps: of the stage; steps is None for a stage without end.
        seconds: of a step, the mean over its kinds.
        teacher_share: share of a step's time that is spent on drawing or waiting for its batch.
        memory_gib: largest resident memory of the process so far.
        gpu_gib: largest memory that torch has allocated on the GPU in this stage; None without a
            GPU.
        aside_seconds: of all validations and previews of the stage; in a stage without end, of
            those per step.
        state_bytes, student_bytes, preview_bytes: of a training state, a student.safetensors and a
            preview sheet.
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
        """Of the whole stage; None without an end."""
        return None if self.steps is None else self.steps * self.seconds + self.aside_seconds


def cost_table(
    costs: Sequence[StageCost], *, batch_size: int, preview_every: int, folder: Path
) -> str:
    """The costs of a run's stages, from its first step to its last, as text.

    Args:
        costs: in order.
        batch_size: identities per step, of all processes together.
        preview_every: steps from one sheet to the next.
        folder: of the run, which need not exist yet.
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
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    text = (
        f"disk: {size(needed)} = training state {size(state)}, twice while it is saved + student"
        f" {size(student)} + {sheets} sheets of {size(sheet)}; free: {size(free)}"
    )
    return text if needed < free else f"{text}: TOO LITTLE"


def size(num_bytes: int) -> str:
    """Bytes in KiB, MiB or GiB."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{num_bytes / 2**10:.0f} KiB"
