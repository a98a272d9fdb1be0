"""Distil a student from a teacher, stage by stage of a plan.

Samples are drawn on the fly or read from shards (`data`).
Run the same command again to continue where it was; SIGTERM or Ctrl-C saves first, and the exit
status 75 asks a scheduler for another attempt. The best student so far (against an adversary: the
latest) is `student.safetensors` in the run's folder, sheets of pictures are in `previews`, numbers
in `metrics`. `dry_run=true` only says what the run would take.
"""

import json
import logging
import os
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import torch
from lightning import Callback, Trainer
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from lightning.pytorch.loggers import CSVLogger, Logger
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import DataLoader

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.build.distillation import (
    Parts,
    build_adversary,
    build_lifter,
    build_module,
    build_plan,
    prepare,
)
from pipeline.build.sampler import build_sampler
from pipeline.distillation.ema import ExponentialAverage
from pipeline.distillation.filter_report import FilterReport
from pipeline.distillation.guards import NonFiniteGuard
from pipeline.distillation.held_out import HeldOutScores
from pipeline.distillation.meters import Meters
from pipeline.distillation.module import STATE_KEY
from pipeline.distillation.planner import StageCost, StageTimer, StateSize, cost_table
from pipeline.distillation.previews import Previews
from pipeline.distillation.replay import describe, replay, replay_sheet
from pipeline.lifter import Lifter
from pipeline.pictures import write_png
from pipeline.runs.processes import is_first_process
from pipeline.runs.progress import Deadline, ProgressBar
from pipeline.runs.requeue import Attempt, cluster_plugins
from pipeline.runs.resume import SafetensorsCheckpointIO, read_entry
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.state_keeper import StateKeeper
from pipeline.runs.summary import Summary
from pipeline.sampling.filtered import filter_of
from teachers.teacher import Teacher

log = logging.getLogger(__name__)

FREE_KEYS = (
    *(
        f"trainer.{key}"
        for key in (
            "accelerator",
            "devices",
            "num_nodes",
            "threads",
            "overlap",
            "max_steps",
            "max_time",
            "log_every",
        )
    ),
    *(
        "data",
        "logger",
        "paths",
        "stop",
        "dry_run",
        "replay",
        "replay_student",
        "teacher.path",
        "imagenet",
        "start_from",
    ),
    *("callbacks.preview", "callbacks.guard", "callbacks.state"),
    *(f"loss.{name}.weights_folder" for name in ("perceptual", "dists", "identity")),
)
"""What may change without making it another run. (A schedule that ends with `trainer.max_steps` is
tied to it all the same.)
"""


@verb("distill")
def main(config: DictConfig) -> float | None:
    """Trains to the end of the plan and returns the validation loss, None if it was asked to stop;
    or shows a sample again (its loss).
    """
    torch.set_num_threads(config.trainer.threads or max(1, len(os.sched_getaffinity(0))))
    run = RunFolder(Path(config.paths.run))
    if config.replay is not None:
        return show_again(run, int(config.replay), config.replay_student)
    if config.dry_run:
        dry_run(config, run)
        return None
    with run if is_first_process() else nullcontext():
        if is_first_process():
            run.record(to_plain(config), free=FREE_KEYS)
        with (
            Summary(run, verb="distill", configuration=to_plain(config)) as summary,
            Attempt(run, **to_plain(config.stop)) as attempt,
        ):
            return distill(config, run, attempt, summary)
    return None


def distill(
    config: DictConfig,
    run: RunFolder,
    attempt: Attempt | None = None,
    summary: Summary | None = None,
) -> float:
    """Goes through the plan from where the run is, phase by phase; returns the validation loss of
    the last step.

    Each phase has a module and a trainer of its own and begins from the training state on disk,
    whether the phase before has just ended or the run is continued.
    """
    attempt = attempt or Attempt(run)
    parts = Parts.build(config)
    deadline = Deadline(config.trainer.max_time)
    guard = NonFiniteGuard(run.path / "nonfinite.jsonl", **to_plain(config.callbacks.guard))
    loggers = build_loggers(config, run)
    if summary is not None:
        summary.tell(passport=json.loads(parts.teacher.passport.to_json()))
    while True:
        state = run.checkpoint_to_resume()
        step = 0 if state is None else int(read_entry(state, STATE_KEY)["step"])
        module = parts.module(config, step)
        if state is None:
            prepare(config, module)
        scores = parts.scores(config, run.path / "student.safetensors")
        end = parts.plan.phase_end(step, config.trainer.max_steps)
        callbacks = build_callbacks(config, run, parts, scores, guard, attempt)
        trainer = build_trainer(
            config,
            loggers,
            callbacks,
            max_steps=end,
            max_time=deadline.left,
            strategy=module.ddp_strategy,
        )
        parts.require_groups(config, trainer.world_size)
        try:
            trainer.fit(module, DataLoader(range(1 << 40), batch_size=None), ckpt_path=state)  # type: ignore[arg-type]
        finally:
            module.prefetcher.close()
            attempt.reached(module.step, parts.end)
            if summary is not None:
                summary.tell(scores=scores.all)
        if attempt.signals.heard or deadline.is_over or module.step != end or end == parts.end:
            break
        log.info(
            "step %d: stage %s is over, %s begins",
            module.step,
            module.stage.name,
            parts.plan.at(module.step).name,
        )
    guard.require_finite()
    if trainer.is_global_zero:
        log.info(
            "step %d: validation loss %.4f, best %.4f: %s",
            module.step,
            scores.last,
            scores.best,
            scores.student_path,
        )
    return scores.last


def dry_run(config: DictConfig, run: RunFolder) -> None:
    """Builds everything, makes a few steps of every stage, prints what the run would take; nothing
    is written into its folder.
    """
    if (run.path / "cell.json").exists():
        raise ValueError(
            "a cell of a sweep can't be a dry run, after which it would count as finished: try one"
            " of the settings without -m"
        )
    parts = Parts.build(config)
    costs: list[StageCost] = []
    for stage in parts.plan.stages:
        if 0 <= parts.end <= stage.start:
            break
        module = parts.module(config, stage.start)
        if not costs:
            prepare(config, module)
        state_size = StateSize()
        samples = min(config.callbacks.validation.samples, config.callbacks.validation.batch_size)
        timer = StageTimer(
            stage,
            end=parts.end if stage.end is None or 0 <= parts.end < stage.end else stage.end,
            r1_every=None if stage.adversarial is None else config.plan.adversary.r1_every,
            state_size=state_size,
            scores=parts.scores(config, Path(), samples=samples),
            validation_samples=config.callbacks.validation.samples,
            previews=build_previews(config, parts, Path()),
        )
        callbacks = [*build_average(config), timer]
        trainer = build_trainer(
            config, [], callbacks, max_steps=-1, strategy=module.ddp_strategy, states=state_size
        )
        parts.require_groups(config, trainer.world_size)
        trainer.fit(module, DataLoader(range(1 << 40), batch_size=None))  # type: ignore[arg-type]
        module.prefetcher.close()
        costs.append(timer.cost())
    if trainer.is_global_zero:
        table = cost_table(
            costs,
            batch_size=config.batch_size,
            preview_every=config.callbacks.preview.every_steps,
            folder=run.path,
        )
        sys.stdout.write(f"{table}\n")
        if run.path.is_dir() and not any(run.path.iterdir()):
            run.path.rmdir()  # Hydra has made it


def show_again(run: RunFolder, number: int, which: str) -> float:
    """A sample as the run draws it and as its "last" or "best" student answers: a sheet below
    `replay`, losses printed.

    The configuration is the run's own; the run may be going on meanwhile.
    """
    recorded = run.recorded()
    config = OmegaConf.create(recorded)
    teacher: Teacher = instantiate(config.teacher)
    plan = build_plan(config)
    step, weights = student_weights(run, which)
    adversary = (
        build_adversary(config, teacher.passport)
        if any(name.startswith("adversary.") for name in weights)
        else None
    )
    module = build_module(
        config, plan, build_lifter(config, teacher), build_sampler(recorded, teacher), adversary
    )
    module.load_state_dict(weights, strict=which == "last")
    again = replay(module, number, step=number // config.batch_size)
    path = run.path / "replay" / f"sample-{number}-{which}-{step:07d}.png"
    write_png(path, replay_sheet(again, module.lifter.passport))
    sys.stdout.write(
        f"sample {number} before the {which} student, of step {step}\n{describe(again)}\n{path}\n"
    )
    return again.losses["loss"]


def student_weights(run: RunFolder, which: str) -> tuple[int, dict[str, torch.Tensor]]:
    """Step and weights of a run's "last" student (and its adversary), as it is trained, or of its
    "best", an average.
    """
    if which == "best":
        lifter = Lifter.load(run.path / "student.safetensors")
        return lifter.step, {f"lifter.{name}": value for name, value in lifter.state_dict().items()}
    if which != "last":
        raise ValueError(f"replay_student is {which!r}: use last or best")
    state = SafetensorsCheckpointIO().load_checkpoint(run.last_checkpoint)
    return int(state[STATE_KEY]["step"]), dict(state["state_dict"])


def build_callbacks(
    config: DictConfig,
    run: RunFolder,
    parts: Parts,
    scores: HeldOutScores,
    guard: NonFiniteGuard,
    attempt: Attempt,
) -> list[Callback]:
    """In the order in which they act on a step: report, guard, average, score, show, and save what
    they have done.
    """
    every, filter = config.trainer.log_every, filter_of(parts.sampler)
    return [
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
    """The average of the weights, if the run keeps any."""
    return (
        [ExponentialAverage(**to_plain(config.callbacks.average))]
        if config.callbacks.average.half_life
        else []
    )


def build_previews(config: DictConfig, parts: Parts, folder: Path) -> Previews:
    """Of the held-out identities."""
    sampler = parts.sampler.for_scores(
        config.validation_seed, cameras=instantiate(config.validation_cameras)
    )
    return Previews(sampler=sampler, folder=folder, **to_plain(config.callbacks.preview))


def build_loggers(config: DictConfig, run: RunFolder) -> list[Logger]:
    """The CSV, always, and what is configured."""
    return [
        CSVLogger(run.path, name="metrics"),
        *(instantiate(node) for node in config.logger.values()),
    ]


def build_trainer(
    config: DictConfig,
    loggers: list[Logger],
    callbacks: list[Callback],
    *,
    max_steps: int,
    strategy: str,
    max_time: timedelta | None = None,
    states: CheckpointIO | None = None,
) -> Trainer:
    """Lightning's trainer of one phase; several processes share every step through DDP."""
    settings = config.trainer
    is_alone = settings.devices == settings.num_nodes == 1
    return Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy="auto" if is_alone else strategy,
        max_steps=max_steps,
        max_epochs=-1,
        max_time=max_time,
        log_every_n_steps=settings.log_every,
        callbacks=callbacks,
        logger=loggers or False,
        plugins=[states or SafetensorsCheckpointIO(), *cluster_plugins()],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )


if __name__ == "__main__":
    main()
