"""When a teacher's training ends: after the schedule's images."""

from typing import Any

from lightning import Callback, LightningModule, Trainer

from .gan import TeacherGAN


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
