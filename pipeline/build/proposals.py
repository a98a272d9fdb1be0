"""Builds and runs the training of a proposal network from a configuration."""

import json
import logging
from dataclasses import replace
from typing import Any

import torch
from omegaconf import DictConfig

from pipeline.distillation.proposal_scores import ProposalScores
from pipeline.distillation.proposal_training import (
    NumberedViews,
    ProposalSettings,
    ProposalTraining,
    volume_renderer,
)
from pipeline.runs.progress import Deadline, ProgressBar
from pipeline.runs.requeue import Attempt
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.state_keeper import StateKeeper
from pipeline.runs.summary import Summary
from pipeline.sampling.learned_marcher import TrainedProposals
from teachers.teacher import Teacher

from .configuration import instantiate, to_plain
from .distillation_trainer import build_loggers
from .sampler import build_sampler
from .trainer import build_profiler, build_trainer

log = logging.getLogger(__name__)

FILE = "proposals.safetensors"


def build_proposals(config: DictConfig, teacher: Teacher) -> ProposalTraining:
    """The Lightning module: an untrained proposal network for the teacher.

    Raises:
        ValueError: the teacher's renderer can't use one.
    """
    torch.manual_seed(config.seed)
    settings: ProposalSettings = instantiate(config.proposals)
    trained = TrainedProposals.untrained(teacher.passport, **settings.network)
    return ProposalTraining(
        trained=replace(trained, network=trained.network.train()),
        renderer=volume_renderer(teacher.renderer, settings.resolution),
        settings=settings,
        seed=config.seed,
        gradient_clip=config.trainer.gradient_clip_val,
    )


def train_proposals(
    config: DictConfig, run: RunFolder, attempt: Attempt, summary: Summary | None = None
) -> float:
    """Starts or continues the run; returns the last PSNR, negative: less is better, as of every
    validation loss.
    """
    teacher: Teacher = instantiate(config.teacher)
    module, sampler = build_proposals(config, teacher), build_sampler(config, teacher)
    validation = to_plain(config.callbacks.validation)
    scores = ProposalScores(
        sampler.for_scores(config.validation_seed, cameras=instantiate(config.validation_cameras)),
        count=validation["samples"],
        batch_size=validation["batch_size"],
        path=run.path / FILE,
        every_steps=validation["every_steps"],
    )
    if summary is not None:
        summary.update(passport=json.loads(teacher.passport.to_json()))
    every = config.trainer.log_every
    callbacks: list[Any] = [
        *build_profiler(config, run, lambda module: module.step),
        scores,
        ProgressBar(every_steps=every),
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
    data = NumberedViews(sampler, batch_size=config.batch_size)
    try:
        trainer.fit(module, datamodule=data, ckpt_path=run.checkpoint_to_resume())
    finally:
        attempt.reached(module.step, config.trainer.max_steps)
        if summary is not None:
            summary.update(scores=scores.all)
    log.info("step %d: PSNR %.2f dB: %s", module.step, scores.last, scores.path)
    return -scores.last
