"""When a teacher's training ends: at its time limit, or after the schedule's images."""

from datetime import timedelta
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import Timer

from .gan import TeacherGAN


class SliceTimer(Timer):
    """A time limit for this process alone: a resumed run gets the whole of it again.

    Args:
        max_time: how long.
    """

    def __init__(self, max_time: timedelta) -> None:
        super().__init__(max_time, interval="step")

    def state_dict(self) -> dict[str, Any]:
        """Empty: the time used is not carried over."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing to restore."""


class StopWhenSeen(Callback):
    """Ends training when the schedule's images have been seen."""

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Makes no further step in a complete run."""
        assert isinstance(module, TeacherGAN)
        trainer.should_stop = module.seen >= module.schedule.total_images

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops all processes at once: they count the same images."""
        assert isinstance(module, TeacherGAN)
        if module.seen >= module.schedule.total_images:
            trainer.should_stop = True
