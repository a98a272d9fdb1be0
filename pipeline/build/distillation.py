"""Builds the parts of a distillation from a configuration."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from pipeline.distillation.adversarial import AdversarialDistillation
from pipeline.distillation.adversary import Adversary
from pipeline.distillation.data_module import SampledBatches
from pipeline.distillation.execution import Execution
from pipeline.distillation.held_out import HeldOutScores
from pipeline.distillation.module import Distillation
from pipeline.distillation.plan import StageSettings, TrainingPlan, used_losses
from pipeline.inference.pretrained import student_file
from pipeline.lifter import Lifter, Recipe
from pipeline.runs.kernel_choice import Trial, teacher_trial
from pipeline.sampling.calibration import calibrate
from pipeline.sampling.source import BatchSource, Sampler
from teachers.checkpoint import load_discriminator
from teachers.passport import Passport
from teachers.teacher import Teacher

from .configuration import instantiate, to_plain
from .plane_codec import build_plane_codec
from .sampler import build_sampler, build_source

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parts:
    """What all phases of a run share.

    Attributes:
        teacher, plan, sampler: as configured.
        adversary: None if no stage has one.
        source: of the training's batches: the sampler, or shards.
        end: the run's last step; -1 for a run without end.
    """

    teacher: Teacher
    plan: TrainingPlan
    adversary: Adversary | None
    sampler: Sampler
    source: BatchSource
    end: int

    @classmethod
    def build(cls, config: DictConfig) -> "Parts":
        """Builds them; fails early if a file is missing."""
        torch.manual_seed(config.seed)
        teacher: Teacher = instantiate(config.teacher)
        plan = build_plan(config)
        adversary = build_adversary(config, teacher.passport) if plan.is_adversarial else None
        sampler = build_sampler(config, teacher)
        end = plan.end(config.trainer.max_steps)
        source = build_source(config, sampler, identities=max(0, end) * config.batch_size)
        return cls(teacher, plan, adversary, sampler, source, end)

    def data(self, config: DictConfig, steps: Sequence[int] | None = None) -> SampledBatches:
        """The batches of a phase; `steps`: of these steps only."""
        return SampledBatches(
            self.source,
            batch_size=config.batch_size,
            accumulate=config.trainer.accumulate,
            overlap=config.trainer.overlap,
            steps=steps,
        )

    def module(self, config: DictConfig, step: int) -> Distillation:
        """The Lightning module of the phase of a step, with an untrained student."""
        adversary = None if self.plan.at(step).adversarial is None else self.adversary
        return build_module(
            config, self.plan, build_lifter(config, self.teacher), self.source, adversary
        )

    def held_out(self, config: DictConfig) -> Sampler:
        """The sampler of the held-out identities: of the validation and of the previews."""
        return self.sampler.for_scores(
            config.validation_seed, cameras=instantiate(config.validation_cameras)
        )

    def scores(self, config: DictConfig, student_path: Path, **settings: Any) -> HeldOutScores:
        """Validation on the held-out identities; `settings` replace configured ones."""
        return HeldOutScores(
            sampler=self.held_out(config),
            student_path=student_path,
            **{**to_plain(config.callbacks.validation), **settings},
        )

    def require_groups(self, config: DictConfig, processes: int) -> None:
        """Raises ValueError unless every process has whole minibatch-statistics groups."""
        if self.adversary is not None:
            self.adversary.require_groups(
                config.batch_size // processes // config.trainer.accumulate, processes=processes
            )


def distillation_trial(config: DictConfig) -> Trial:
    """The work that decides which kernels a distillation uses."""
    return teacher_trial(instantiate(config.teacher), gradients=True)


def build_plan(config: DictConfig) -> TrainingPlan:
    """The stages with their losses. Unused losses aren't built, so that their weight files may be
    absent.
    """
    stages = {
        str(name): StageSettings.from_dict(str(name), values)
        for name, values in to_plain(config.plan.stages).items()
    }
    own = {str(name): float(loss.get("weight", 1.0)) for name, loss in config.loss.items()}
    return TrainingPlan.from_settings(
        stages, {name: instantiate(config.loss[name]) for name in used_losses(stages, own)}, own
    )


def build_adversary(config: DictConfig, passport: Passport) -> Adversary:
    """The teacher's own discriminator, to be trained further.

    Raises:
        ValueError: the teacher comes from no folder, or the plan has no settings for it.
    """
    folder = OmegaConf.select(config, "teacher.path")
    if folder is None:
        raise ValueError(
            "the plan has an adversarial stage, which starts from the teacher's discriminator, and"
            f" the teacher {passport.name!r} comes from no folder that could have one: use"
            " teacher=folder teacher.path=DIR, or plan=one_stage"
        )
    if config.plan.adversary is None:
        raise ValueError(
            "the plan has an adversarial stage but plan.adversary is null: put"
            " `/adversary@adversary: eg3d` into the plan's defaults, as conf/plan/two_stage.yaml"
            " does"
        )
    return Adversary(
        discriminator=load_discriminator(folder),
        passport=passport,
        settings=instantiate(config.plan.adversary),
    )


def build_module(
    config: DictConfig,
    plan: TrainingPlan,
    lifter: Lifter,
    source: BatchSource,
    adversary: Adversary | None,
) -> Distillation:
    """The Lightning module of a phase, with or without an adversary."""
    settings = config.trainer
    arguments = {
        "lifter": lifter,
        "source": source,
        "plan": plan,
        "optimizer": instantiate(config.optimizer),
        "batch_size": config.batch_size,
        "accumulate": settings.accumulate,
        "gradient_clip": settings.gradient_clip_val,
        "execution": Execution(
            bfloat16=settings.bfloat16,
            channels_last=settings.channels_last,
            compile=settings.compile,
            checkpoints_activations=settings.checkpoints_activations,
        ),
        "codec": build_plane_codec(config, lifter, source),
    }
    return (
        Distillation(**arguments)
        if adversary is None
        else AdversarialDistillation(adversary=adversary, **arguments)
    )


def build_lifter(config: DictConfig, teacher: Teacher) -> Lifter:
    """An untrained student for the teacher's planes."""
    node = OmegaConf.merge(
        config.student,
        {
            "plane_channels": teacher.passport.stored_channels,
            "plane_resolution": teacher.passport.plane_resolution,
        },
    )
    assert isinstance(node, DictConfig)
    arguments = to_plain(node)
    recipe = Recipe(arguments.pop("_target_"), arguments)
    return Lifter.from_teacher(encoder=instantiate(node), encoder_recipe=recipe, teacher=teacher)


def prepare(config: DictConfig, module: Distillation) -> None:
    """Initialises the student of a new run: from another student, or from ImageNet's features and
    the statistics of the teacher's planes.
    """
    if config.start_from is not None:
        fresh = module.lifter.start_from(
            student_file(config.start_from), other_teacher=config.start_from_other_teacher
        )
        log.info(
            "starting from %s%s",
            config.start_from,
            f"; fresh are {', '.join(fresh)}" if fresh else "",
        )
        return
    encoder: Any = module.lifter.encoder
    if config.imagenet is not None:
        encoder.load_imagenet(Path(config.imagenet))
    if config.calibration_samples:
        calibrate(encoder, module.source, samples=config.calibration_samples)
