"""Builds the training of a proposal network from a configuration."""

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
from pipeline.runs.run_folder import RunFolder
from pipeline.sampling.learned_marcher import TrainedProposals
from teachers.teacher import Teacher

from .beside import Beside
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


def proposal_parts(config: DictConfig, run: RunFolder) -> Beside:
    """The training of a proposal network; judged by PSNR."""
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
    return Beside(module, scores, NumberedBatches(draw, batch_size=config.batch_size), "PSNR")
