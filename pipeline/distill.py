"""Distil a student from a teacher: people are drawn on the fly, nothing is stored.

Run the same command again to continue where it was; SIGTERM or Ctrl-C saves first. The best student so far is
`student.safetensors` in the run's folder, sheets of pictures are in `previews`, numbers in `metrics`.
"""

import logging
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger
from omegaconf import DictConfig, OmegaConf
from torch.utils.data import DataLoader

from pipeline.build import instantiate, to_plain, verb
from pipeline.lifter import Lifter, Recipe
from pipeline.losses.weighted_sum import WeightedSum
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.view_rendering import ViewRendering
from pipeline.training.calibration import calibrate
from pipeline.training.distillation import Distillation
from pipeline.training.ema import ExponentialAverage
from pipeline.training.held_out import HeldOutScores
from pipeline.training.previews import Previews
from pipeline.training.progress import ProgressBar
from pipeline.training.resume import SafetensorsCheckpointIO
from pipeline.training.run_folder import RunFolder
from pipeline.training.state_keeper import StateKeeper
from teachers.teacher import Teacher

log = logging.getLogger(__name__)

FREE_KEYS = (
    *(f"trainer.{key}" for key in ("accelerator", "devices", "num_nodes", "threads", "max_steps", "max_time", "log_every")),
    *("logger", "paths", "teacher.path", "imagenet", "callbacks.preview", "callbacks.state"),
)
"""What may change without making it another run. (A schedule that ends with `trainer.max_steps` is tied to it all the same.)"""


@verb("distill")
def main(config: DictConfig) -> float:
    """Trains until `trainer.max_steps`; returns the validation loss."""
    torch.set_num_threads(config.trainer.threads or max(1, len(os.sched_getaffinity(0))))
    run = RunFolder(Path(config.paths.run))
    is_first = int(os.environ.get("LOCAL_RANK", 0)) == 0
    with run if is_first else nullcontext():
        if is_first:
            run.record(to_plain(config), free=FREE_KEYS)
        return distill(config, run)


def distill(config: DictConfig, run: RunFolder) -> float:
    """Builds everything, starts or continues the run, and returns the validation loss of the last step."""
    torch.manual_seed(config.seed)
    teacher: Teacher = instantiate(config.teacher)
    sampler = build_sampler(config, teacher)
    module = Distillation(
        lifter=build_lifter(config, teacher),
        sampler=sampler,
        losses=WeightedSum({name: instantiate(loss) for name, loss in config.loss.items()}),
        optimizer=instantiate(config.optimizer),
        batch_size=config.batch_size,
        reference_every=config.reference_every,
        bfloat16=config.trainer.bfloat16,
        log_every=config.trainer.log_every,
    )
    state = run.checkpoint_to_resume()
    if state is None:
        prepare(config, module)
    scores = HeldOutScores(
        sampler=sampler.for_scores(config.validation_seed),
        student_path=run.path / "student.safetensors",
        **to_plain(config.callbacks.validation),
    )
    trainer = build_trainer(config, run, build_callbacks(config, run, scores))
    trainer.fit(module, DataLoader(range(1 << 40), batch_size=None), ckpt_path=state)  # type: ignore[arg-type]
    if trainer.is_global_zero:
        log.info("step %d: validation loss %.4f, best %.4f: %s", module.step, scores.last, scores.best, scores.student_path)
    return scores.last


def build_sampler(config: DictConfig, teacher: Teacher) -> TeacherSampler:
    """Who is drawn, and from where they are looked at."""
    return TeacherSampler(
        teacher=teacher,
        cameras=instantiate(config.cameras),
        latents=instantiate(config.sampler.latents),
        seed=config.seed,
        background=config.sampler.background,
        reference_rendering=ViewRendering(**to_plain(config.sampler.reference_rendering)),
        novel_rendering=ViewRendering(**to_plain(config.sampler.novel_rendering)),
    )


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
    """What a new run starts from, and a continued one has in its weights: ImageNet features, the planes' statistics."""
    encoder: Any = module.lifter.encoder
    if config.imagenet is not None:
        encoder.load_imagenet(Path(config.imagenet))
    if config.calibration_samples:
        calibrate(encoder, module.sampler, samples=config.calibration_samples)


def build_callbacks(config: DictConfig, run: RunFolder, scores: HeldOutScores) -> list[Callback]:
    """In the order in which they act on a step: average, score, show, report, and save what they have done."""
    callbacks = config.callbacks
    return [
        *([ExponentialAverage(**to_plain(callbacks.average))] if callbacks.average.half_life else []),
        scores,
        Previews(sampler=scores.sampler, folder=run.path / "previews", **to_plain(callbacks.preview)),
        ProgressBar(every_steps=config.trainer.log_every),
        StateKeeper(run.last_checkpoint, **to_plain(callbacks.state)),
    ]


def build_trainer(config: DictConfig, run: RunFolder, callbacks: list[Callback]) -> Trainer:
    """Lightning's trainer; several processes share every step through DDP."""
    settings = config.trainer
    loggers: list[Logger] = [CSVLogger(run.path, name="metrics"), *(instantiate(node) for node in config.logger.values())]
    return Trainer(
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        max_steps=settings.max_steps,
        max_epochs=-1,
        max_time=settings.max_time,
        gradient_clip_val=settings.gradient_clip_val,
        log_every_n_steps=settings.log_every,
        callbacks=callbacks,
        logger=loggers,
        plugins=[SafetensorsCheckpointIO()],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
    )


if __name__ == "__main__":
    main()
