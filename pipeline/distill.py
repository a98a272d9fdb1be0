"""Distil a student from a teacher, stage by stage of a plan: people are drawn on the fly, or read from shards.

Run the same command again to continue where it was; SIGTERM or Ctrl-C saves first, and the exit status 75 asks a scheduler
for another attempt. The best student so far (against an adversary: the latest) is `student.safetensors` in the run's folder,
sheets of pictures are in `previews`, numbers in `metrics`.
"""

import logging
import os
import sys
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import DataLoader

from pipeline.build import instantiate, to_plain, verb
from pipeline.lifter import Lifter, Recipe
from pipeline.people import build_sampler, build_source
from pipeline.pictures import write_png
from pipeline.sampling.source import PeopleSource
from pipeline.training.adversarial_distillation import AdversarialDistillation
from pipeline.training.adversary import Adversary
from pipeline.training.calibration import calibrate
from pipeline.training.distillation import STATE_KEY, Distillation
from pipeline.training.ema import ExponentialAverage
from pipeline.training.execution import Execution
from pipeline.training.filter_report import FilterReport
from pipeline.training.guards import NonFiniteGuard
from pipeline.training.held_out import HeldOutScores
from pipeline.training.plan import StageSettings, TrainingPlan, used_losses
from pipeline.training.previews import Previews
from pipeline.training.processes import is_first_process
from pipeline.training.progress import Deadline, ProgressBar
from pipeline.training.replay import describe, replay, replay_sheet
from pipeline.training.requeue import Attempt, cluster_plugins
from pipeline.training.resume import SafetensorsCheckpointIO, read_entry
from pipeline.training.run_folder import RunFolder
from pipeline.training.state_keeper import StateKeeper
from teachers.checkpoint import load_discriminator
from teachers.passport import Passport
from teachers.teacher import Teacher

log = logging.getLogger(__name__)

FREE_KEYS = (
    *(f"trainer.{key}" for key in ("accelerator", "devices", "num_nodes", "threads", "overlap", "max_steps", "max_time", "log_every")),
    *("data", "logger", "paths", "stop", "replay", "replay_student", "teacher.path", "imagenet", "start_from"),
    *("callbacks.preview", "callbacks.guard", "callbacks.state"),
    *(f"loss.{name}.weights_folder" for name in ("perceptual", "dists", "identity")),
)
"""What may change without making it another run. (A schedule that ends with `trainer.max_steps` is tied to it all the same.)"""


@verb("distill")
def main(config: DictConfig) -> float | None:
    """Trains to the end of the plan and returns the validation loss, None if it was asked to stop; or shows a sample again (its loss)."""
    torch.set_num_threads(config.trainer.threads or max(1, len(os.sched_getaffinity(0))))
    run = RunFolder(Path(config.paths.run))
    if config.replay is not None:
        return show_again(run, int(config.replay), config.replay_student)
    with run if is_first_process() else nullcontext():
        if is_first_process():
            run.record(to_plain(config), free=FREE_KEYS)
        with Attempt(run, **to_plain(config.stop)) as attempt:
            return distill(config, run, attempt)
    return None


def distill(config: DictConfig, run: RunFolder, attempt: Attempt | None = None) -> float:
    """Goes through the plan from where the run is, phase by phase; returns the validation loss of the last step.

    Each phase has a module and a trainer of its own and begins from the training state on disk, whether the phase before has
    just ended or the run is continued.
    """
    attempt = attempt or Attempt(run)
    torch.manual_seed(config.seed)
    teacher: Teacher = instantiate(config.teacher)
    plan = build_plan(config)
    adversary = build_adversary(config, teacher.passport) if plan.is_adversarial else None
    sampler = build_sampler(config, teacher)
    run_end = plan.end(config.trainer.max_steps)
    source = build_source(to_plain(config), sampler, people=max(0, run_end) * config.batch_size)
    deadline = Deadline(config.trainer.max_time)
    guard = NonFiniteGuard(run.path / "nonfinite.jsonl", **to_plain(config.callbacks.guard))
    while True:
        state = run.checkpoint_to_resume()
        step = 0 if state is None else int(read_entry(state, STATE_KEY)["step"])
        module = build_module(config, plan, build_lifter(config, teacher), source, None if plan.at(step).adversarial is None else adversary)
        if state is None:
            prepare(config, module)
        scores = HeldOutScores(
            sampler=sampler.for_scores(config.validation_seed, cameras=instantiate(config.validation_cameras)),
            student_path=run.path / "student.safetensors",
            **to_plain(config.callbacks.validation),
        )
        end = plan.phase_end(step, config.trainer.max_steps)
        reports = [] if sampler.filter is None else [FilterReport(sampler.filter, every_steps=config.trainer.log_every)]
        callbacks = [*reports, *build_callbacks(config, run, scores, guard, attempt)]
        trainer = build_trainer(config, run, callbacks, max_steps=end, max_time=deadline.left, strategy=module.ddp_strategy)
        if adversary is not None:
            people_at_once = config.batch_size // trainer.world_size // config.trainer.accumulate
            adversary.require_groups(people_at_once, processes=trainer.world_size)
        try:
            trainer.fit(module, DataLoader(range(1 << 40), batch_size=None), ckpt_path=state)  # type: ignore[arg-type]
        finally:
            module.prefetcher.close()
            attempt.reached(module.step, run_end)
        if attempt.signals.heard or deadline.is_over or module.step != end or end == run_end:
            break
        log.info("step %d: stage %s is over, %s begins", module.step, module.stage.name, plan.at(module.step).name)
    guard.require_finite()
    if trainer.is_global_zero:
        log.info("step %d: validation loss %.4f, best %.4f: %s", module.step, scores.last, scores.best, scores.student_path)
    return scores.last


def show_again(run: RunFolder, number: int, which: str) -> float:
    """A sample as the run draws it and as its "last" or "best" student answers: a sheet below `replay`, losses printed.

    The configuration is the run's own; the run may be going on meanwhile.
    """
    recorded = run.recorded()
    config = OmegaConf.create(recorded)
    teacher: Teacher = instantiate(config.teacher)
    plan = build_plan(config)
    step, weights = student_weights(run, which)
    adversary = build_adversary(config, teacher.passport) if any(name.startswith("adversary.") for name in weights) else None
    module = build_module(config, plan, build_lifter(config, teacher), build_sampler(recorded, teacher), adversary)
    module.load_state_dict(weights, strict=which == "last")
    again = replay(module, number, step=number // config.batch_size)
    path = run.path / "replay" / f"sample-{number}-{which}-{step:07d}.png"
    write_png(path, replay_sheet(again, module.lifter.passport))
    sys.stdout.write(f"sample {number} before the {which} student, of step {step}\n{describe(again)}\n{path}\n")
    return again.losses["loss"]


def student_weights(run: RunFolder, which: str) -> tuple[int, dict[str, torch.Tensor]]:
    """Step and weights of a run's "last" student (and its adversary), as it is trained, or of its "best", an average."""
    if which == "best":
        lifter = Lifter.load(run.path / "student.safetensors")
        return lifter.step, {f"lifter.{name}": value for name, value in lifter.state_dict().items()}
    if which != "last":
        raise ValueError(f"replay_student is {which!r}: use last or best")
    state = SafetensorsCheckpointIO().load_checkpoint(run.last_checkpoint)
    return int(state[STATE_KEY]["step"]), dict(state["state_dict"])


def build_plan(config: DictConfig) -> TrainingPlan:
    """The stages, with the losses that they use; the others aren't built, so that their files needn't be there."""
    stages = {str(name): StageSettings.from_dict(str(name), values) for name, values in to_plain(config.plan.stages).items()}
    own = {str(name): float(loss.get("weight", 1.0)) for name, loss in config.loss.items()}
    return TrainingPlan.from_settings(stages, {name: instantiate(config.loss[name]) for name in used_losses(stages, own)}, own)


def build_adversary(config: DictConfig, passport: Passport) -> Adversary:
    """The discriminator that the teacher was trained with, ready to be trained on."""
    folder = OmegaConf.select(config, "teacher.path")
    if folder is None:
        raise ValueError(
            f"the plan has an adversarial stage, which starts from the teacher's discriminator, and the teacher {passport.name!r} comes "
            "from no folder that could have one: use teacher=folder teacher.path=DIR, or plan=one_stage"
        )
    if config.plan.adversary is None:
        raise ValueError("the plan has an adversarial stage but no plan.adversary: copy it from conf/plan/two_stage.yaml")
    return Adversary(discriminator=load_discriminator(folder), passport=passport, settings=instantiate(config.plan.adversary))


def build_module(config: DictConfig, plan: TrainingPlan, lifter: Lifter, source: PeopleSource, adversary: Adversary | None) -> Distillation:
    """What is trained until the phase ends: with an adversary, or without."""
    settings = config.trainer
    arguments = {
        "lifter": lifter,
        "sampler": source,
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
        "overlap": settings.overlap,
        "log_every": settings.log_every,
    }
    return Distillation(**arguments) if adversary is None else AdversarialDistillation(adversary=adversary, **arguments)


def build_lifter(config: DictConfig, teacher: Teacher) -> Lifter:
    """An untrained student for the teacher's planes."""
    node = OmegaConf.merge(
        config.student, {"plane_channels": teacher.passport.plane_channels, "plane_resolution": teacher.passport.plane_resolution}
    )
    assert isinstance(node, DictConfig)
    arguments = to_plain(node)
    recipe = Recipe(arguments.pop("_target_"), arguments)
    return Lifter.from_teacher(encoder=instantiate(node), encoder_recipe=recipe, teacher=teacher)


def prepare(config: DictConfig, module: Distillation) -> None:
    """What a new run starts from, and a continued one has in its weights.

    That is another student, or ImageNet's features and the statistics of the teacher's planes.
    """
    if config.start_from is not None:
        fresh = module.lifter.start_from(Path(config.start_from), other_teacher=config.start_from_other_teacher)
        log.info("starting from %s%s", config.start_from, f"; fresh are {', '.join(fresh)}" if fresh else "")
        return
    encoder: Any = module.lifter.encoder
    if config.imagenet is not None:
        encoder.load_imagenet(Path(config.imagenet))
    if config.calibration_samples:
        calibrate(encoder, module.sampler, samples=config.calibration_samples)


def build_callbacks(config: DictConfig, run: RunFolder, scores: HeldOutScores, guard: NonFiniteGuard, attempt: Attempt) -> list[Callback]:
    """In the order in which they act on a step: guard, average, score, show, report, and save what they have done."""
    callbacks = config.callbacks
    return [
        guard,
        *([ExponentialAverage(**to_plain(callbacks.average))] if callbacks.average.half_life else []),
        scores,
        Previews(sampler=scores.sampler, folder=run.path / "previews", **to_plain(callbacks.preview)),
        ProgressBar(every_steps=config.trainer.log_every),
        StateKeeper(run.last_checkpoint, signals=attempt.signals, **to_plain(callbacks.state)),
    ]


def build_trainer(
    config: DictConfig, run: RunFolder, callbacks: list[Callback], *, max_steps: int, max_time: timedelta | None, strategy: str
) -> Trainer:
    """Lightning's trainer of one phase; several processes share every step through DDP."""
    settings = config.trainer
    is_alone = settings.devices == settings.num_nodes == 1
    loggers: list[Logger] = [CSVLogger(run.path, name="metrics"), *(instantiate(node) for node in config.logger.values())]
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
        logger=loggers,
        plugins=[SafetensorsCheckpointIO(), *cluster_plugins()],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )


if __name__ == "__main__":
    main()
