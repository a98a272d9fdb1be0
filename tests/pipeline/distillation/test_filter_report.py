"""What a filter rejects stands in the training's log."""

import logging

import torch
from lightning import LightningModule, Trainer
from torch.utils.data import DataLoader

from pipeline.distillation.filter_report import FilterReport
from pipeline.sampling.sample_filter import SampleFilter


class Nothing(LightningModule):
    """Trains a number by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.number = torch.nn.Parameter(torch.ones(()))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

    def training_step(self, batch, batch_idx):
        return self.number**2


def test_shares_are_logged_and_the_report_comes_at_the_end(caplog):
    judge = SampleFilter(opacity=[0.5, None])
    judge.counts.add({"opacity": 0.25}, ["opacity"])
    judge.counts.add({"opacity": 0.75}, [])
    judge.counts.finish(taken=1, exhausted=[])
    trainer = Trainer(
        accelerator="cpu", max_steps=2, callbacks=[FilterReport(judge, every_steps=2)],
        logger=False, enable_checkpointing=False, enable_model_summary=False,
        enable_progress_bar=False, barebones=False,
    )  # fmt: skip
    with caplog.at_level(logging.INFO):
        trainer.fit(Nothing(), DataLoader(range(4)))
    assert (
        trainer.callback_metrics["filter/rejected"]
        == trainer.callback_metrics["filter/rejected_opacity"]
        == 0.5
    )
    assert (
        "process 0: the filter rejected 1 of 2 drawn identities (50.0%) by opacity 1 (measured 0.5"
        " ± 0.25, 0.25 to 0.75)" in caplog.text
    )
