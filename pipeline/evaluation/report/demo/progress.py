"""How far the demo's distillation came, and why it ended early."""

import math
from dataclasses import dataclass

from pipeline.runs.durations import duration

BUSY = 0.15
"""From this share of the processors in use by other processes on, the machine counts as busy."""

REFERENCE_SPEED = 9.3
"""Samples per second of `experiment=laptop` on two idle cores of an AMD EPYC with AVX512-BF16."""


@dataclass(frozen=True)
class Progress:
    """A distillation with a time limit.

    Attributes:
        steps: reached.
        planned_steps: None where there is no plan.
        earlier_steps: of these, reached by earlier starts of the demo.
        seconds: of this start.
        batch_size: samples a step.
        others: share of the processors that other processes used; None: unknown.
    """

    steps: int
    planned_steps: int | None
    earlier_steps: int
    seconds: float
    batch_size: int
    others: float | None

    @property
    def samples_per_second(self) -> float | None:
        """Of this start, everything included; None if it took no step."""
        steps = self.steps - self.earlier_steps
        return steps * self.batch_size / self.seconds if steps > 0 and self.seconds > 0 else None

    @property
    def count(self) -> str:
        """218 of 600 steps."""
        planned = "" if self.planned_steps is None else f" of {self.planned_steps}"
        return f"{self.steps}{planned} steps"

    @property
    def speed(self) -> str:
        """Samples per second, as text; a dash if unknown."""
        speed = self.samples_per_second
        return "–" if speed is None else f"{speed:.1f} samples/s"

    def warning(self) -> str | None:
        """Why fewer steps than planned were reached; None if all were."""
        if self.planned_steps is None or self.steps >= self.planned_steps:
            return None
        if self.others is None:
            reason = "This machine was slow or busy"
        elif self.others >= BUSY:
            reason = f"This machine was busy, other processes used {self.others:.0%} of it"
        else:
            reason = "This machine is slower than two idle cores of an AMD EPYC"
        quiet = duration(self.planned_steps * self.batch_size / REFERENCE_SPEED)
        return (
            f"{reason}: the distillation ended after {self.count} ({duration(self.seconds)},"
            f" {self.speed}). Two idle cores need about {quiet} at {REFERENCE_SPEED} samples/s."
        )

    def minutes_left(self) -> int | None:
        """Minutes that the remaining steps take at this speed; None if unknown."""
        speed = self.samples_per_second
        if speed is None or self.planned_steps is None:
            return None
        left = (self.planned_steps - self.steps) * self.batch_size
        return max(1, math.ceil(left / speed / 60))
