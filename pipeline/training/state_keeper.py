"""When the training state is saved: every so often, at the end, and when somebody asks the run to stop."""

import logging
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StateKeeper(Callback):
    """Saves the training state to one folder (see `SafetensorsCheckpointIO`), and stops the run in order on SIGTERM or Ctrl-C.

    Should be the last of the callbacks: it saves what they have done for the step. A second signal stops at once.

    Args:
        path: folder of the state.
        every_steps: how often.
        every_minutes: the same by the clock, for runs whose steps are long; None: by steps only.
    """

    def __init__(self, path: Path, *, every_steps: int = 200, every_minutes: float | int | None = 10.0) -> None:
        self.path = path
        self.every_steps = every_steps
        self.every_seconds = float("inf") if every_minutes is None else every_minutes * 60
        self._saved_at = time.monotonic()
        self._saved_step = -1
        self._stop: signal.Signals | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Listens to signals, over Lightning's own handlers, which would leave without saving."""
        self._saved_at = time.monotonic()
        for number in STOP_SIGNALS:
            self._handlers[number] = signal.signal(number, self._ask_to_stop)

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Saves when it is time; all processes go by what any of them has heard and by the first one's clock."""
        stop, is_late = self._shared(trainer, self._stop is not None, time.monotonic() - self._saved_at > self.every_seconds)
        if stop or is_late or trainer.global_step % self.every_steps == 0:
            self._save(trainer)
        if stop:
            log.info(
                "asked to stop: the state after step %d is in %s; run the same command again to continue", trainer.global_step, self.path
            )
            trainer.should_stop = True

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Saves the last step, unless that has been done."""
        if self._saved_step != trainer.global_step:
            self._save(trainer)

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Gives the signals back."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        if self._stop is not None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._stop = signal.Signals(number)

    def _shared(self, trainer: Trainer, *flags: bool) -> list[bool]:
        if trainer.world_size == 1:
            return list(flags)
        together = trainer.strategy.reduce(torch.tensor(flags, dtype=torch.float32, device=trainer.strategy.root_device), reduce_op="sum")
        assert isinstance(together, torch.Tensor)
        return (together > 0).tolist()

    def _save(self, trainer: Trainer) -> None:
        trainer.save_checkpoint(self.path)
        self._saved_at, self._saved_step = time.monotonic(), trainer.global_step
