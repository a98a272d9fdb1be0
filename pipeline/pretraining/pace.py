"""How far a teacher's training is, and how fast."""

import logging
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer

from .gan import TeacherGAN

log = logging.getLogger(__name__)


class Pace(Callback):
    """Logs the images seen and the images per second of training steps every so often.

    Must be the first of the callbacks: the time of those after it (scores, sheets, saving) doesn't
    count.

    Args:
        seconds: time from one line to the next.
    """

    def __init__(self, *, seconds: float | int = 60.0) -> None:
        self.seconds = float(seconds)
        self._logged_at, self._logged_seen = 0.0, 0

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts the clock."""
        assert isinstance(module, TeacherGAN)
        self._logged_at, self._logged_seen = time.monotonic(), module.seen

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """A step begins."""
        trainer.datamodule.stopwatch.start("networks")  # type: ignore[attr-defined]

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The step ends; logs a line if it is time."""
        assert isinstance(module, TeacherGAN)
        stopwatch = trainer.datamodule.stopwatch  # type: ignore[attr-defined]
        stopwatch.stop()
        if not trainer.is_global_zero or time.monotonic() - self._logged_at < self.seconds:
            return
        logits = ", ".join(
            f"{name} {float(value):.2f}"
            for name, value in trainer.callback_metrics.items()
            if name.endswith("logit")
        )
        pace = (module.seen - self._logged_seen) / max(stopwatch.seconds(), 1e-9)
        log.info(
            "%d of %d images, %.1f/s, %s", module.seen, module.schedule.total_images, pace, logits
        )
        self._logged_at, self._logged_seen = time.monotonic(), module.seen
        stopwatch.reset()
