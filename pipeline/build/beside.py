"""Runs what `trilift distill` trains beside a student: a fuser, a proposal network."""

import json
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from pipeline.distillation.cost import StageCost, cost_table
from pipeline.distillation.kept_best import KeptBest
from pipeline.distillation.network_training import NetworkTraining, NumberedBatches
from pipeline.distillation.planner import REPEATS, StateSize
from pipeline.runs.progress import Deadline, ProgressBar
from pipeline.runs.provenance import peak_memory_gib
from pipeline.runs.requeue import Attempt
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.state_keeper import StateKeeper
from pipeline.runs.step_timer import StepTimer
from pipeline.runs.summary import Summary

from .configuration import configuration_folder, to_plain
from .distillation_trainer import build_loggers
from .trainer import build_profiler, build_trainer

log = logging.getLogger(__name__)

OF_ENCODER = {
    "trainer.bfloat16": False,
    "trainer.channels_last": False,
    "trainer.checkpoints_activations": False,
    "trainer.compile": False,
    "trainer.overlap": "auto",
}
"""How a student's encoder is run in training, which nothing reads here, with the defaults."""

OF_GPUS = ("trainer.bfloat16", "trainer.channels_last", "trainer.checkpoints_activations")
"""Those that options of `trainer` for GPUs set."""


@dataclass(frozen=True)
class Beside:
    """What is trained, and on what.

    Attributes:
        module: the network in training.
        scores: of it, by one of which the best is kept.
        data: of every step.
        judged_by: that score in words.
    """

    module: NetworkTraining
    scores: KeptBest
    data: NumberedBatches[Any]
    judged_by: str


def changed_from_default(config: DictConfig) -> list[str]:
    """The settings of a student's encoder and optimiser that differ from their defaults, but those
    that come with a `trainer` for GPUs.
    """
    is_cpu = config.trainer.accelerator == "cpu"
    found = [
        key
        for key, default in OF_ENCODER.items()
        if OmegaConf.select(config, key) != default and (is_cpu or key not in OF_GPUS)
    ]
    adam = OmegaConf.load(configuration_folder() / "optimizer" / "adam.yaml")
    given = to_plain(config.optimizer)
    found += [f"optimizer.{key}" for key in given if given[key] != OmegaConf.select(adam, key)]
    return found


def without_encoder_settings(config: DictConfig) -> DictConfig:
    """The configuration with the defaults of what is not read, so that no precision is recorded
    that nothing is computed in.
    """
    config = config.copy()
    for key, default in OF_ENCODER.items():
        OmegaConf.update(config, key, default)
    return config


def train_beside(
    config: DictConfig, run: RunFolder, parts: Beside, attempt: Attempt, summary: Summary | None
) -> float:
    """Starts or continues the run; returns the last score that decides, negative: less is better,
    as of every validation loss.
    """
    module, scores = parts.module, parts.scores
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
        trainer.fit(module, datamodule=parts.data, ckpt_path=run.checkpoint_to_resume())
    finally:
        attempt.reached(module.step, config.trainer.max_steps)
        if summary is not None:
            summary.update(scores=scores.all)
    log.info(
        "step %d: %s %.2f dB, best %.2f dB: %s",
        module.step,
        parts.judged_by,
        scores.last,
        scores.best,
        scores.path,
    )
    return -scores.last


def measure_beside(config: DictConfig, run: RunFolder, parts: Beside) -> str:
    """Makes and times a few steps and a validation, keeps nothing of them, and says what the run
    would take.
    """
    module, scores, state_size = parts.module, parts.scores, StateSize()
    steps, count = config.trainer.max_steps, scores.count
    timer = StepTimer(REPEATS + 1, "data")
    trainer = build_trainer(config, [timer], loggers=[], strategy="ddp", states=state_size)
    trainer.fit(module, datamodule=parts.data)
    with tempfile.TemporaryDirectory() as name:
        scores.path, scores.count = Path(name) / scores.path.name, min(count, 2)
        started = time.perf_counter()
        scores.score(trainer, module)
        validation = (time.perf_counter() - started) * count / max(1, scores.count)
        module.result.save(scores.path)
        size = scores.path.stat().st_size
    trainer.save_checkpoint("measured only")
    seconds, drawing = (sum(values[1:]) / REPEATS for values in (timer.seconds, timer.of_part))
    cost = StageCost(
        name=type(module).__name__.removesuffix("Training").lower(),
        steps=None if steps < 0 else steps,
        seconds=seconds,
        teacher_share=drawing / seconds,
        memory_gib=peak_memory_gib(),
        gpu_gib=None,
        aside_seconds=validation * (1 if steps < 0 else steps) / scores.every_steps,
        state_bytes=state_size.bytes,
        student_bytes=size,
        preview_bytes=0,
    )
    return cost_table(
        [cost],
        batch_size=config.batch_size,
        micro_batch=config.batch_size // trainer.world_size,
        preview_every=1,
        folder=run.path,
        hours=config.hours,
    )
