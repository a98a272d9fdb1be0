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
    "micro-batch",
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
        memory_gib: largest resident memory of the process so far; None: unknown.
        gpu_gib: largest memory that torch has allocated (or, of a GPU that isn't there, will
            allocate) on the GPU in this stage; None without a GPU.
        aside_seconds: of all validations and previews of the stage; in a stage without end, of
            those per step.
        state_bytes, student_bytes, preview_bytes: of a training state, a student.safetensors and a
            preview sheet.
    """

    name: str
    steps: int | None
    seconds: float
    teacher_share: float
    memory_gib: float | None
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
    costs: Sequence[StageCost],
    *,
    batch_size: int,
    micro_batch: int,
    preview_every: int,
    folder: Path,
    hours: float | int | None = None,
) -> str:
    """The costs of a run's stages, from its first step to its last, as text.

    Args:
        costs: in order.
        batch_size: identities per step, of all processes together.
        micro_batch: identities that a process lifts at once.
        preview_every: steps from one sheet to the next.
        folder: of the run, which need not exist yet.
        hours: where the run is after so long is said, too; None: it isn't.
    """
    rows: list[tuple[str, ...]] = [HEADER]
    done, since = 0, 0.0
    for cost in costs:
        takes, since = (
            cost.total_seconds,
            math.inf if cost.total_seconds is None else since + cost.total_seconds,
        )
        end = "∞" if cost.steps is None else str(done + cost.steps)
        speed = (
            f"{cost.seconds:.3g}",
            f"{batch_size / cost.seconds:.3g}",
            f"{cost.teacher_share:.0%}",
        )
        memory = tuple(
            "-" if size is None else f"{size:.1f} GiB" for size in (cost.memory_gib, cost.gpu_gib)
        )
        rows.append(
            (
                cost.name,
                f"{done} … {end}",
                str(micro_batch),
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
        [
            *lines,
            _totals(costs, done, since),
            *([] if hours is None else [reached(costs, hours, batch_size=batch_size)]),
            _disk(costs, done // preview_every + 1, folder),
        ]
    )


def reached(costs: Sequence[StageCost], hours: float | int, *, batch_size: int) -> str:
    """Where a run is after some hours: stage, step, identities, and what is left.

    Args:
        costs: of its stages, in order.
        hours: from its start.
        batch_size: identities per step, of all processes together.
    """
    left, done = 3600 * hours, 0
    after = f"after {duration(3600 * hours)}"
    for number, cost in enumerate(costs):
        whole = cost.total_seconds
        if whole is not None and whole <= left:
            left, done = left - whole, done + (cost.steps or 0)
            continue
        a_step = cost.seconds + cost.aside_seconds if whole is None else whole / (cost.steps or 1)
        steps = int(left / a_step)
        text = f"{after}: step {done + steps}, {(done + steps) * batch_size} identities,"
        text += f" stage {cost.name}"
        rest = [one.total_seconds for one in costs[number:]]
        if cost.steps is not None:
            text += f" ({steps / cost.steps:.0%} of it)"
        if None in rest:
            return f"{text}; the run has no end"
        total = sum(seconds for seconds in rest if seconds is not None)
        return f"{text}; to the end another {duration(total - steps * a_step)}"
    whole_run = 3600 * hours - left
    return f"{after}: all {done} steps are made, after {duration(whole_run)}"


def _totals(costs: Sequence[StageCost], steps: int, seconds: float) -> str:
    if math.isinf(seconds):
        return "the run: without end"
    aside = sum(cost.aside_seconds for cost in costs) / seconds
    of_them = f", of which validation and previews {aside:.0%}; saving is not counted"
    return f"the run: {steps} steps in {duration(seconds)}{of_them if aside else ''}"


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
        f" {size(student)}{f' + {sheets} sheets of {size(sheet)}' if sheet else ''};"
        f" free: {size(free)}"
    )
    return text if needed < free else f"{text}: TOO LITTLE"


def size(num_bytes: int) -> str:
    """Bytes in KiB, MiB or GiB."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20)):
        if num_bytes >= factor:
            return f"{num_bytes / factor:.1f} {unit}"
    return f"{num_bytes / 2**10:.0f} KiB"
