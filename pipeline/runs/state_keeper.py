"""Saving the training state: periodically, at the end, and after a stop signal."""

import atexit
import logging
import signal
import time
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from .processes import largest_of_all
from .requeue import StopSignals

log = logging.getLogger(__name__)


class StateKeeper(Callback):
    """Saves the training state to one folder (see `SafetensorsCheckpointIO`); stops on a signal.

    It must be the last callback, so that the state includes the work of the others for this step.
    If the disk is full, the previous state remains and training continues until the next save. A
    failed save at the end is an error.

    Args:
        path: folder of the state.
        every_steps: steps between two saves.
        every_minutes: also save after so many minutes, for long steps; None: by steps only.
        signals: handlers of stop signals; None: own ones, from the first step on.
    """

    def __init__(
        self,
        path: Path,
        *,
        every_steps: int = 200,
        every_minutes: float | int | None = 10.0,
        signals: StopSignals | None = None,
    ) -> None:
        self.path = path
        self.every_steps = every_steps
        self.every_seconds = float("inf") if every_minutes is None else every_minutes * 60
        self.signals = signals or StopSignals()
        self._owns_signals = signals is None
        self._tried_at = time.monotonic()
        self._steps = 0
        self._is_saved = False

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Installs signal handlers in place of Lightning's, which exit without saving."""
        self._tried_at = time.monotonic()
        self.signals.is_training = True
        self.signals.listen()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves if a save is due or any process has received a signal.

        All processes decide alike: any signal and the longest time since a save count for all.

        Raises:
            SystemExit: after a signal, unless this was the last step.
        """
        self._steps, self._is_saved = self._steps + 1, False
        waited = time.monotonic() - self._tried_at
        heard, is_late = largest_of_all(
            trainer, float(self.signals.heard or 0), float(waited > self.every_seconds)
        )
        if heard or is_late or self._steps % self.every_steps == 0:
            self._save(trainer, is_last=bool(heard))
        if heard:
            self.signals.heard = self.signals.heard or signal.Signals(int(heard))
            if not (trainer.should_stop or trainer.global_step >= trainer.max_steps > 0):
                raise SystemExit(self.signals.status)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Saves the state after the last step, unless it is saved already.

        Raises:
            OSError: the state can't be saved.
        """
        if self._steps and not self._is_saved:
            self._save(trainer, is_last=True)

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Kills Lightning's child processes at exit: they would wait for this process forever."""
        launcher: Any = trainer.strategy.launcher
        if launcher is not None and not (self.signals.heard and self.signals.is_training):
            atexit.register(launcher.kill, signal.SIGKILL)

    def outdate(self) -> None:
        """Says that the saved state isn't the last one any more: the end saves again."""
        self._is_saved = False

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Restores the signal handlers that it replaced."""
        if self._owns_signals:
            self.signals.release()

    def _save(self, trainer: Trainer, *, is_last: bool = False) -> None:
        error: OSError | None = None
        try:
            trainer.save_checkpoint(self.path)
        except OSError as caught:
            error = caught
            # Only the first process writes; the others wait at this barrier.
            trainer.strategy.barrier("Trainer.save_checkpoint")
        self._tried_at = time.monotonic()
        [failed] = largest_of_all(trainer, float(error is not None))
        self._is_saved = not failed
        if failed and is_last:
            raise error or OSError(
                f"the first process could not save the training state to {self.path}"
            )
        if error is not None:
            log.error(
                "%s. Training continues and saves again later: make room before the run ends.",
                error,
            )


def save_again(trainer: Trainer) -> None:
    """Makes the end of a training save, even if its last step is saved: a callback has changed."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StateKeeper):
            callback.outdate()
