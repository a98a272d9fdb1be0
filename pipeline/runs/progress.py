"""A run's time limit, and its progress bar."""

import logging
import sys
import time
from datetime import timedelta
from typing import Any

from lightning import Callback, LightningModule, Trainer
from tqdm import tqdm

log = logging.getLogger(__name__)


class Deadline:
    """The end of a process's time limit.

    Args:
        max_time: "DD:HH:MM:SS" from now on; None: never.

    Raises:
        ValueError: `max_time` has another form.
    """

    def __init__(self, max_time: str | None) -> None:
        self._end: float | None = None
        if max_time is not None:
            try:
                days, hours, minutes, seconds = (int(part) for part in max_time.split(":"))
            except ValueError as error:
                raise ValueError(
                    f"max_time is {max_time!r}: give days, hours, minutes and seconds as"
                    " DD:HH:MM:SS"
                ) from error
            self._end = (
                time.monotonic()
                + timedelta(
                    days=days, hours=hours, minutes=minutes, seconds=seconds
                ).total_seconds()
            )

    @property
    def left(self) -> timedelta | None:
        """The remaining time, at least 0; None without a limit."""
        return (
            None if self._end is None else timedelta(seconds=max(0.0, self._end - time.monotonic()))
        )

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return self.left == timedelta(0)


class ProgressBar(Callback):
    """Shows step, loss, samples per second and the teacher's share of the time.

    A bar on a terminal, otherwise periodic log lines.

    Args:
        every_steps: how often the bar's numbers are refreshed.
        log_seconds: time between two lines of the log.
    """

    def __init__(self, *, every_steps: int = 5, log_seconds: float | int = 30.0) -> None:
        self.every_steps = every_steps
        self.log_seconds = float(log_seconds)
        self._bar: Any = None
        self._logged_at = 0.0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Opens the bar on the first process's terminal."""
        total = trainer.max_steps if trainer.max_steps > 0 else None
        if trainer.is_global_zero and sys.stderr.isatty():
            self._bar = tqdm(
                total=total,
                initial=trainer.global_step,
                desc="distil",
                unit="step",
                dynamic_ncols=True,
            )

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Advances by one step."""
        if self._bar is not None:
            self._bar.update(1)
            if trainer.global_step % self.every_steps == 0:
                self._bar.set_postfix_str(_numbers(trainer))
        elif trainer.is_global_zero and time.monotonic() - self._logged_at > self.log_seconds:
            self._logged_at = time.monotonic()
            log.info(
                "step %d of %s: %s",
                trainer.global_step,
                trainer.max_steps if trainer.max_steps > 0 else "∞",
                _numbers(trainer),
            )

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _numbers(trainer: Trainer) -> str:
    metrics = trainer.callback_metrics
    shown = {
        "train/loss": "loss {:.4f}",
        "validation/loss": "validation {:.4f}",
        "speed/samples_per_second": "{:.1f} samples/s",
        "speed/teacher_share": "teacher {:.0%}",
    }
    return " · ".join(
        text.format(float(metrics[name])) for name, text in shown.items() if name in metrics
    )
