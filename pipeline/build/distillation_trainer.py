"""Builds the callbacks and loggers of a distillation; measures its stages in a dry run."""

from pathlib import Path

from lightning import Callback
from lightning.pytorch.loggers import CSVLogger, Logger
from omegaconf import DictConfig

from pipeline.distillation.cost import StageCost
from pipeline.distillation.counted_work import count_stage
from pipeline.distillation.ema import ExponentialAverage
from pipeline.distillation.filter_report import FilterReport
from pipeline.distillation.guards import NonFiniteGuard
from pipeline.distillation.held_out import HeldOutScores
from pipeline.distillation.meters import Meters
from pipeline.distillation.plan import Stage
from pipeline.distillation.planner import StageTimer, StateSize
from pipeline.distillation.previews import Previews
from pipeline.distillation.speed import Speed
from pipeline.runs.machines import Machine
from pipeline.runs.progress import ProgressBar
from pipeline.runs.requeue import Attempt
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.state_keeper import StateKeeper
from pipeline.sampling.filtered import filter_of

from .configuration import instantiate, to_plain
from .distillation import Parts, prepare
from .numerics import num_processes
from .trainer import build_profiler, build_trainer


def build_callbacks(
    config: DictConfig,
    run: RunFolder,
    parts: Parts,
    scores: HeldOutScores,
    guard: NonFiniteGuard,
    attempt: Attempt,
) -> list[Callback]:
    """In the order in which they act on a step. The first times it, the last saves what the others
    have done.
    """
    every, filter = config.trainer.log_every, filter_of(parts.sampler)
    return [
        *build_profiler(config, run, lambda module: module.step),
        Speed(every_steps=every),
        *([] if filter is None else [FilterReport(filter, every_steps=every)]),
        Meters(every_steps=every),
        guard,
        *build_average(config),
        scores,
        build_previews(config, parts, run.path / "previews"),
        ProgressBar(every_steps=every),
        StateKeeper(
            run.last_checkpoint, signals=attempt.signals, **to_plain(config.callbacks.state)
        ),
    ]


def build_average(config: DictConfig) -> list[ExponentialAverage]:
    """The average of the weights, if the run keeps one."""
    return (
        [ExponentialAverage(**to_plain(config.callbacks.average))]
        if config.callbacks.average.half_life
        else []
    )


def build_previews(config: DictConfig, parts: Parts, folder: Path) -> Previews:
    """Sheets of the held-out identities."""
    return Previews(
        sampler=parts.held_out(config), folder=folder, **to_plain(config.callbacks.preview)
    )


def build_loggers(config: DictConfig, run: RunFolder) -> list[Logger]:
    """The CSV and the configured loggers."""
    return [
        CSVLogger(run.path, name="metrics"),
        *(instantiate(node) for node in config.logger.values()),
    ]


def last_step(parts: Parts, stage: Stage) -> int:
    """Of a stage in a run; -1: it has none."""
    return parts.end if stage.end is None or 0 <= parts.end < stage.end else stage.end


def count_work(config: DictConfig, parts: Parts, stage: Stage, machine: Machine) -> StageCost:
    """What a stage takes on GPUs that aren't there, in a dry run."""
    return count_stage(
        parts.module(config, stage.start),
        parts.sampler,
        stage,
        end=last_step(parts, stage),
        r1_every=None if stage.adversarial is None else config.plan.adversary.r1_every,
        micro_batch=micro_batch(config),
        processes=num_processes(config),
        machine=machine,
    )


def micro_batch(config: DictConfig) -> int:
    """Identities that a process lifts at once."""
    return config.batch_size // num_processes(config) // config.trainer.accumulate or 1


def measure_stage(config: DictConfig, parts: Parts, stage: Stage) -> StageCost:
    """Makes and times a few steps of a stage, in a dry run."""
    module = parts.module(config, stage.start)
    if stage is parts.plan.stages[0]:
        prepare(config, module)
    state_size = StateSize()
    validation = config.callbacks.validation
    timer = StageTimer(
        stage,
        end=last_step(parts, stage),
        r1_every=None if stage.adversarial is None else config.plan.adversary.r1_every,
        state_size=state_size,
        scores=parts.scores(config, Path(), samples=min(validation.samples, validation.batch_size)),
        validation_samples=validation.samples,
        previews=build_previews(config, parts, Path()),
    )
    trainer = build_trainer(
        config,
        [Speed(every_steps=None), *build_average(config), timer],
        loggers=[],
        strategy=module.ddp_strategy,
        states=state_size,
    )
    parts.require_groups(config, trainer.world_size)
    # One batch more than there are steps: the last step, too, draws the next batch meanwhile.
    data = parts.data(config, steps=[*timer.steps, timer.steps[-1]])
    trainer.fit(module, datamodule=data)
    return timer.cost()
