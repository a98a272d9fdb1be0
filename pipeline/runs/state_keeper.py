"""When the training state is saved: at intervals, at the end, and when a signal stops the run."""

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
    """Saves the training state to one folder (see `SafetensorsCheckpointIO`), and ends the run
    after the current step when a signal arrives.

    Should be the last of the callbacks: it saves what they have done for the step. If the disk is
    full, the previous state stays, and training continues until the next time; only a state that
    can't be saved at the end is an error.

    Args:
        path: folder of the state.
        every_steps: how often.
        every_minutes: the same by the clock, for runs whose steps are long; None: by steps only.
        signals: the signals that stop the run; None: signals from the first step on.
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
        """Listens to signals, over Lightning's own handlers, which would leave without saving."""
        self._tried_at = time.monotonic()
        self.signals.is_training = True
        self.signals.listen()

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves when it is time; all processes go by what any of them has heard, and by the slowest
        clock.

        Raises:
            SystemExit: a signal came, and this was not the run's last step.
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
        """Saves the last step, unless that has been done.

        Raises:
            OSError: it can't be saved.
        """
        if self._steps and not self._is_saved:
            self._save(trainer, is_last=True)

    def on_exception(
        self, trainer: Trainer, module: LightningModule, exception: BaseException
    ) -> None:
        """Processes that Lightning has started and that don't stop with this one would wait for it
        for ever: they go when it has gone.
        """
        launcher: Any = trainer.strategy.launcher
        if launcher is not None and not (self.signals.heard and self.signals.is_training):
            atexit.register(launcher.kill, signal.SIGKILL)

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Gives signals of its own back."""
        if self._owns_signals:
            self.signals.release()

    def _save(self, trainer: Trainer, *, is_last: bool = False) -> None:
        error: OSError | None = None
        try:
            trainer.save_checkpoint(self.path)
        except OSError as caught:
            error = caught
            trainer.strategy.barrier(
                "Trainer.save_checkpoint"
            )  # the first process alone writes; the others wait there
        self._tried_at = time.monotonic()
        [failed] = largest_of_all(trainer, float(error is not None))
        self._is_saved = not failed
        if failed and is_last:
            raise error or OSError(
                f"the first process could not save the training state to {self.path}"
            )
        if error is not None:
            log.error(
                "%s. Training goes on, and the next save tries again: make room before the run"
                " ends.",
                error,
            )
