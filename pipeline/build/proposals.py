"""Builds and runs the training of a proposal network from a configuration."""

import torch
from omegaconf import DictConfig

from pipeline.distillation.network_training import NumberedBatches
from pipeline.distillation.proposal_scores import ProposalScores
from pipeline.distillation.proposal_training import (
    ProposalSettings,
    ProposalTraining,
    Views,
    draw_views,
    volume_renderer,
)
from pipeline.runs.requeue import Attempt
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.summary import Summary
from pipeline.sampling.learned_marcher import TrainedProposals
from teachers.teacher import Teacher

from .beside import train_beside
from .configuration import instantiate, to_plain
from .sampler import build_sampler

FILE = "proposals.safetensors"


def build_proposals(config: DictConfig, teacher: Teacher) -> ProposalTraining:
    """The Lightning module: an untrained proposal network for the teacher.

    Raises:
        ValueError: the teacher's renderer can't use one.
    """
    torch.manual_seed(config.seed)
    settings: ProposalSettings = instantiate(config.proposals)
    return ProposalTraining(
        trained=TrainedProposals.untrained(teacher.passport, **settings.network),
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

    def draw(numbers: list[int], device: torch.device) -> Views:
        return draw_views(sampler.to(device), numbers)

    validation = to_plain(config.callbacks.validation)
    scores = ProposalScores(
        sampler.for_scores(config.validation_seed, cameras=instantiate(config.validation_cameras)),
        count=validation["samples"],
        batch_size=validation["batch_size"],
        path=run.path / FILE,
        every_steps=validation["every_steps"],
    )
    return train_beside(
        config,
        run,
        attempt,
        summary,
        module=module,
        scores=scores,
        data=NumberedBatches(draw, batch_size=config.batch_size),
        judged_by="PSNR",
    )
