"""Logs what a sample filter rejects."""

import logging

from lightning import Callback, LightningModule, Trainer

from pipeline.sampling.sample_filter import SampleFilter

log = logging.getLogger(__name__)


class FilterReport(Callback):
    """Logs the shares that a filter has rejected so far in this process, and its report at the end.

    Args:
        filter: of the training's samples.
        every_steps: how often the shares are logged.
    """

    def __init__(self, filter: SampleFilter, *, every_steps: int = 50) -> None:
        self.filter = filter
        self.every_steps = every_steps

    def on_train_batch_end(
        self,
        trainer: Trainer,
        module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Logs the shares every `every_steps` steps."""
        if trainer.global_step % self.every_steps == 0:
            module.log_dict(self.filter.counts.shares(), sync_dist=True)

    def on_train_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Every process logs the report of its own samples."""
        log.info("process %d: %s", trainer.global_rank, self.filter.counts.report())
