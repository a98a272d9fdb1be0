"""Runs what `trilift distill` trains beside a student: a fuser, a proposal network."""

import json
import logging
from typing import Any

from omegaconf import DictConfig

from pipeline.distillation.kept_best import KeptBest
from pipeline.distillation.network_training import NetworkTraining, NumberedBatches
from pipeline.runs.progress import Deadline, ProgressBar
from pipeline.runs.requeue import Attempt
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.state_keeper import StateKeeper
from pipeline.runs.summary import Summary

from .configuration import to_plain
from .distillation_trainer import build_loggers
from .trainer import build_profiler, build_trainer

log = logging.getLogger(__name__)


def train_beside(
    config: DictConfig,
    run: RunFolder,
    attempt: Attempt,
    summary: Summary | None,
    *,
    module: NetworkTraining,
    scores: KeptBest,
    data: NumberedBatches[Any],
    judged_by: str,
) -> float:
    """Starts or continues the run; returns the last score that decides, negative: less is better,
    as of every validation loss.

    Args:
        module: what is trained.
        scores: of it, by one of which the best is kept.
        data: of every step.
        judged_by: that score in words.
    """
    if summary is not None:
        summary.update(passport=json.loads(module.trained.passport.to_json()))
    callbacks: list[Any] = [
        *build_profiler(config, run, lambda module: module.step),
        scores,
        ProgressBar(every_steps=config.trainer.log_every),
        StateKeeper(
            run.last_checkpoint, signals=attempt.signals, **to_plain(config.callbacks.state)
        ),
    ]
    trainer = build_trainer(
        config,
        callbacks,
        loggers=build_loggers(config, run),
        max_steps=config.trainer.max_steps,
        max_time=Deadline(config.trainer.max_time).left,
        strategy="ddp",
    )
    try:
        trainer.fit(module, datamodule=data, ckpt_path=run.checkpoint_to_resume())
    finally:
        attempt.reached(module.step, config.trainer.max_steps)
        if summary is not None:
            summary.update(scores=scores.all)
    log.info(
        "step %d: %s %.2f dB, best %.2f dB: %s",
        module.step,
        judged_by,
        scores.last,
        scores.best,
        scores.path,
    )
    return -scores.last
