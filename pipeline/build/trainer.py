"""Builds Lightning's trainer, the same for a teacher's training and a distillation."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from lightning import Callback, Trainer
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from pipeline.runs.profiler import StepProfiler
from pipeline.runs.requeue import cluster_plugins
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.slice_timer import SliceTimer


def build_trainer(
    config: DictConfig,
    callbacks: list[Callback],
    *,
    loggers: Sequence[Logger],
    strategy: str,
    max_steps: int = -1,
    max_time: timedelta | None = None,
    states: CheckpointIO | None = None,
) -> Trainer:
    """A trainer whose callbacks do what Lightning would: save, show progress, and stop.

    Args:
        config: of the run, with `trainer`.
        callbacks: in the order in which they act.
        loggers: of the curves; none logs nothing.
        strategy: how several processes share every step; a single one needs none.
        max_steps: steps of all optimisers together; -1 leaves the end to the callbacks.
        max_time: from the start of this process's fit; None is no limit.
        states: writes the training state; as safetensors by default.
    """
    settings = config.trainer
    is_alone = settings.devices == settings.num_nodes == 1
    return Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy="auto" if is_alone else strategy,
        max_steps=max_steps,
        max_epochs=-1,
        log_every_n_steps=settings.log_every,
        callbacks=[*callbacks, *([] if max_time is None else [SliceTimer(max_time)])],
        logger=list(loggers) or False,
        plugins=[states or SafetensorsCheckpointIO(), *cluster_plugins()],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )


def build_profiler(
    config: DictConfig, run: RunFolder, step_of: Callable[[Any], int]
) -> list[StepProfiler]:
    """The profiler of a training, if it has one."""
    if config.profiler is None:
        return []
    return [StepProfiler(run.path / "profile", steps=int(config.profiler), step_of=step_of)]
