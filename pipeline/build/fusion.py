"""Builds the training of a fuser from a configuration."""

from dataclasses import replace

import torch
from omegaconf import DictConfig

from pipeline.distillation.fuser_scores import FuserScores
from pipeline.distillation.fuser_training import FuserSettings, FuserTraining
from pipeline.distillation.network_training import NumberedBatches
from pipeline.fusion import TrainedFuser
from pipeline.inference.background import background_of
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter
from pipeline.losses.depth import DepthLoss
from pipeline.losses.feature import FeatureLoss
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.runs.run_folder import RunFolder
from pipeline.worlds.splits import Split
from pipeline.worlds.turns import Turn, TurnSource

from .beside import Beside
from .configuration import instantiate, to_plain
from .distillation import build_plan

FILE = "fuser.safetensors"
LEAST_YAW_DEG = 35.0
"""Of the held-out films."""

OF_STUDENT = ("resolution", "background", "focal", "camera_radius")
"""Of the films; no settings."""


def build_fuser(config: DictConfig) -> FuserTraining:
    """The Lightning module: an untrained fuser for the planes of `start_from`, a student.

    Raises:
        ValueError: no student, or a student of another teacher; or what the films have of the
            student (`OF_STUDENT`) is given; or losses or stages that it can't have.
    """
    given = [name for name in OF_STUDENT if name in config.fuser.films]
    if given:
        raise ValueError(
            f"fuser.films has {', '.join(given)}: films have the student's image size and its"
            " teacher's background and cameras, leave it out"
        )
    torch.manual_seed(config.seed)
    if config.start_from is None:
        raise ValueError("a fuser works on a student's planes: give the student as start_from=")
    lifter = Lifter.load(student_file(config.start_from))
    settings: FuserSettings = instantiate(config.fuser)
    settings = replace(settings, films=_films_for(lifter, settings.films))
    return FuserTraining(
        trained=TrainedFuser.untrained(lifter.passport, **settings.network),
        lifter=lifter,
        losses=_losses(config),
        settings=settings,
        gradient_clip=config.trainer.gradient_clip_val,
    )


def _losses(config: DictConfig) -> WeightedSum:
    """Of the plan's one stage, whose losses films have the truth for."""
    plan = build_plan(config)
    if len(plan.stages) > 1:
        names = ", ".join(stage.name for stage in plan.stages)
        raise ValueError(
            f"the plan has stages {names}: a fuser is trained in one, take plan=one_stage"
        )
    losses = plan.at(0).losses
    unknown = [
        name for name, loss in losses.losses.items() if isinstance(loss, DepthLoss | FeatureLoss)
    ]
    if unknown:
        raise ValueError(
            f"loss has {', '.join(unknown)}: films have neither a teacher's features nor its depth,"
            " leave it out"
        )
    return losses


def build_scores(config: DictConfig, films: TurnSource, run: RunFolder) -> FuserScores:
    """Validation on films of held-out identities, otherwise like those of the training."""
    validation = to_plain(config.callbacks.validation)
    least = max(LEAST_YAW_DEG, films.least_yaw_deg)  # otherwise there might be no turned frame
    most = max(least, films.most_yaw_deg)
    return FuserScores(
        replace(films, split=Split.VALIDATE, least_yaw_deg=least, most_yaw_deg=most),
        count=validation["samples"],
        path=run.path / FILE,
        every_steps=validation["every_steps"],
    )


def fuser_parts(config: DictConfig, run: RunFolder) -> Beside:
    """The training of a fuser; judged by the hidden side's PSNR."""
    module = build_fuser(config)

    def draw(numbers: list[int], device: torch.device) -> list[Turn]:
        return [module.settings.films(number).to(device) for number in numbers]

    return Beside(
        module,
        build_scores(config, module.settings.films, run),
        NumberedBatches(draw, batch_size=config.batch_size),
        "hidden side",
    )


def _films_for(lifter: Lifter, films: TurnSource) -> TurnSource:
    """Films that look like what the student was distilled from."""
    passport = lifter.passport
    return replace(
        films,
        resolution=lifter.image_size,
        background=background_of(passport),
        focal=passport.focal,
        camera_radius=passport.camera_radius,
    )
