"""Train a teacher, an EG3D generator, from single pictures with camera labels; or tune one.

The data are an EG3D-style folder or zip (`data.path`); with `data=puppets` the identities are
rendered on the first run. Run the same command again to continue; SIGTERM or Ctrl-C saves first,
and exit status 75 asks a scheduler for another attempt; `trainer.max_time` cuts a run into slices.
What comes out is the folder `teacher` of the run; scores go to `scores.csv`, pictures to `sheets`.
"""

import json
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf, open_dict
from torch.utils.data import DataLoader

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.evaluation.metrics.frechet import FEWEST_REAL, FrechetScores
from pipeline.pretraining.autoencoder import TeacherAutoencoder
from pipeline.pretraining.card import score_at_full_size, write_card
from pipeline.pretraining.freed_memory import keep_freed_memory
from pipeline.pretraining.gan import GANSettings, TeacherGAN, discriminator_channels
from pipeline.pretraining.progress import Pace, SliceTimer, StopWhenSeen, TeacherProgress
from pipeline.pretraining.training_pictures import TrainingPictures
from pipeline.pretraining.tuning import (
    TuningRecord,
    has_no_latent,
    keep_as_it_is,
    settings_of_checkpoint,
)
from pipeline.runs.processes import is_first_process
from pipeline.runs.progress import Deadline
from pipeline.runs.requeue import Attempt, cluster_plugins
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.state_keeper import StateKeeper
from pipeline.runs.summary import Summary
from teachers.checkpoint import teacher_folder
from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.discriminator import Discriminator
from teachers.eg3d.teacher import load_eg3d, start_from

FREE_KEYS = (
    "trainer",
    "progress",
    "paths",
    "schedule.total_images",
    "schedule.decay_images",
    "schedule.growth",
    "data.path",
    "data.workers",
    "start_from",
    "stop",
    "card",
)
"""What may change without making it another run."""

NEVER = 1 << 62
"""In steps: the training state is saved by the clock."""


@verb("pretrain")
def main(config: DictConfig) -> None:
    """Trains until `schedule.total_images` or `trainer.max_time`, whichever comes first."""
    torch.set_num_threads(config.trainer.threads)
    keep_freed_memory()
    run = RunFolder(Path(config.paths.run))
    is_tuned = "of_checkpoint" in config.teacher
    if is_tuned and has_no_latent(config.start_from):
        if is_first_process():
            keep_as_it_is(config.start_from, run.path / "teacher")
        return
    if is_tuned:
        config = with_checkpoint(config)
    with run if is_first_process() else nullcontext():
        if is_first_process():
            run.record(to_plain(config), free=FREE_KEYS)
        if config.card.write:
            write_teacher_card(config, run.path / "teacher", load_photographs(config))
            return
        with (
            Summary(run, verb="pretrain", configuration=to_plain(config)) as summary,
            Attempt(run, **to_plain(config.stop)) as attempt,
        ):
            train(
                config,
                run,
                attempt,
                TuningRecord(run.path, config.start_from) if is_tuned else None,
            )
            if is_first_process() and (run.path / "teacher").is_dir():
                passport, scores = (
                    json.loads((run.path / "teacher" / f"{name}.json").read_text())
                    for name in ("passport", "scores")
                )
                summary.tell(passport=passport, scores=scores)


def with_checkpoint(config: DictConfig) -> DictConfig:
    """The configuration with networks, discriminator and licence of the teacher folder that it
    names (`teacher.of_checkpoint`).
    """
    given = to_plain(config.teacher)
    settings = settings_of_checkpoint(given.pop("of_checkpoint"), given)
    filled = OmegaConf.create(OmegaConf.to_container(config, resolve=False))
    with open_dict(filled):
        filled.update(settings)
    assert isinstance(filled, DictConfig)
    return filled


def train(
    config: DictConfig, run: RunFolder, attempt: Attempt, record: TuningRecord | None = None
) -> None:
    """Builds everything, and starts or continues the run; `record` is told what a tuning does to a
    checkpoint.
    """
    photographs = load_photographs(config)
    module = build_module(config, photographs)
    trainer = build_trainer(config, run, build_callbacks(config, run, photographs, attempt, record))
    state = run.checkpoint_to_resume()
    if state is None and config.start_from is not None:
        start_from(module.generator, module.discriminator, teacher_folder(config.start_from))
        module.average.load_state_dict(module.generator.state_dict())
    try:
        trainer.fit(module, DataLoader(range(1 << 40), batch_size=None), ckpt_path=state)  # type: ignore[arg-type]
    finally:
        attempt.reached(module.seen, module.schedule.total_images)


def load_photographs(config: DictConfig) -> TrainingPictures:
    """The training pictures, if they are enough."""
    photographs: TrainingPictures = instantiate(config.data)
    if len(photographs) < FEWEST_REAL:
        raise ValueError(
            f"{config.data.path} holds {len(photographs)} pictures, a teacher needs at least"
            f" {FEWEST_REAL}, and thousands to be good"
        )
    return photographs


def write_teacher_card(config: DictConfig, folder: Path, photographs: TrainingPictures) -> None:
    """Scores the run's teacher at full size, against the world as well, and writes its card;
    nothing is trained.
    """
    teacher = load_eg3d(folder)
    scores = score_at_full_size(teacher, photographs, compared=config.card.compared)
    images = int(json.loads((folder / "scores.json").read_text())["images"])
    write_card(
        folder,
        teacher,
        scores,
        images=images,
        recipe=f"trilift pretrain name={config.name}",
        notes=config.card.notes,
    )


def build_module(config: DictConfig, photographs: TrainingPictures) -> TeacherGAN:
    """Generator, discriminator and their training from a configuration."""
    torch.manual_seed(config.seed)
    generator = EG3DConfiguration.from_dict(to_plain(config.teacher))
    discriminator = Discriminator(
        resolution=generator.image_resolution,
        image_channels=discriminator_channels(generator),
        **to_plain(config.discriminator),
    )
    if discriminator.standardizes_label:
        discriminator.fit_labels(photographs.cameras.label())
    schedule = instantiate(config.schedule)
    settings = GANSettings(**to_plain(config.settings), seed=config.seed)
    kind = (
        TeacherGAN
        if config.autoencoder is None
        else partial(TeacherAutoencoder, **to_plain(config.autoencoder))
    )
    return kind(
        config=generator,
        discriminator=discriminator,
        photographs=photographs,
        schedule=schedule,
        settings=settings,
    )


def build_callbacks(
    config: DictConfig,
    run: RunFolder,
    photographs: TrainingPictures,
    attempt: Attempt,
    record: TuningRecord | None = None,
) -> list[Callback]:
    """In the order in which they act on a step: score and show, report, stop, and save what they
    have done.
    """
    progress = config.progress
    behind = 0.0 if config.teacher.get("background", "black") == "black" else 1.0

    left = Deadline(config.trainer.max_time).left

    def frechet() -> FrechetScores:
        return FrechetScores(photographs.pictures(progress.real, behind), compared=progress.scored)

    return [
        TeacherProgress(
            run.path,
            every_images=progress.every_images,
            drawing=to_plain(progress.drawing),
            frechet=frechet,
            scored=progress.scored,
            name=config.name,
            licence=config.licence,
            record=record,
        ),
        Pace(),
        StopWhenSeen(),
        *([SliceTimer(left)] if left is not None else []),
        StateKeeper(
            run.last_checkpoint,
            every_steps=NEVER,
            every_minutes=progress.save_minutes,
            signals=attempt.signals,
        ),
    ]


def build_trainer(config: DictConfig, run: RunFolder, callbacks: list[Callback]) -> Trainer:
    """Lightning's trainer; several processes share every step through DDP."""
    devices = config.trainer.devices
    return Trainer(
        accelerator=config.trainer.accelerator,
        devices=devices,
        num_nodes=config.trainer.num_nodes,
        strategy=(
            "ddp_find_unused_parameters_true"
            if devices != 1 or config.trainer.num_nodes != 1
            else "auto"
        ),
        max_epochs=-1,
        callbacks=callbacks,
        logger=CSVLogger(run.path, name="logs"),
        plugins=[SafetensorsCheckpointIO(), *cluster_plugins()],
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        use_distributed_sampler=False,
        log_every_n_steps=config.trainer.log_every,
    )


if __name__ == "__main__":
    main()
