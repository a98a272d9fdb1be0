"""How fast training steps are, and which share of their time they wait for the teacher."""

from typing import Any

from lightning import Callback, LightningModule, Trainer

from .data_module import SampledBatches


class Speed(Callback):
    """Times the training steps, and waits at their end for the batch that is drawn ahead.

    Must be the first of the callbacks: those after it may use the teacher, and their time (of
    validations, previews, saving) doesn't count.

    Logged are `speed/samples_per_second`, of all processes together, and `speed/teacher_share`, the
    share of a step's time that is spent on drawing or waiting for its batch.

    Args:
        every_steps: how often they are logged; None: never.
    """

    def __init__(self, *, every_steps: int | None = 10) -> None:
        self.every_steps = every_steps
        self._steps = 0

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """The student's part of the step begins."""
        _data(trainer).stopwatch.start("student")

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The step ends."""
        data = _data(trainer)
        data.stopwatch.stop()
        data.synchronize()
        self._steps += 1
        if self.every_steps is None or trainer.global_step % self.every_steps:
            return
        samples = self._steps * data.batch_size
        module.log_dict(
            {
                "speed/samples_per_second": samples / max(data.stopwatch.seconds(), 1e-9),
                "speed/teacher_share": data.stopwatch.share("teacher"),
            }
        )
        data.stopwatch.reset()
        self._steps = 0


def _data(trainer: Trainer) -> SampledBatches:
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, SampledBatches)
    return data
