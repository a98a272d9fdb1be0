"""A few steps of a distillation in this process."""

from pathlib import Path

from lightning import Callback, Trainer

from pipeline.distillation.data_module import SampledBatches
from pipeline.distillation.module import Distillation
from pipeline.runs.resume import SafetensorsCheckpointIO


def fit(
    module: Distillation, *callbacks: Callback, max_steps: int = 3, state: Path | None = None
) -> Trainer:
    trainer = Trainer(
        accelerator="cpu", max_steps=max_steps, max_epochs=-1, callbacks=list(callbacks),
        logger=False, plugins=[SafetensorsCheckpointIO()], enable_checkpointing=False,
        enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    data = SampledBatches(module.source, batch_size=module.batch_size, accumulate=module.accumulate)
    trainer.fit(module, datamodule=data, ckpt_path=state)
    return trainer
