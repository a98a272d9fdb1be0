"""Train a teacher, an EG3D generator, from single images with camera labels; or tune one.

The data are an EG3D-style folder or zip (`data.path`); with `data=puppets` the identities are
rendered on the first run. Run the same command again to continue; SIGTERM or Ctrl-C saves first,
and exit status 75 asks a scheduler for another attempt; `trainer.max_time` cuts a run into slices.
`dry_run=true` estimates time and memory instead. What comes out is the folder `teacher` of the run;
scores go to `scores.csv`, images to `sheets`.
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TypedDict

import torch
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import free_keys, to_plain
from pipeline.build.numerics import missing_machine, num_processes, numerics, with_kernels
from pipeline.build.pretraining import (
    STRATEGY,
    begun_from,
    build_callbacks,
    build_data,
    build_module,
    build_validation,
    imitated_images,
    load_photographs,
    measure_schedule,
    pretraining_trial,
    require_networks,
    with_checkpoint,
)
from pipeline.build.trainer import build_trainer
from pipeline.pretraining.card import write_card
from pipeline.pretraining.card_scores import score_at_full_size
from pipeline.pretraining.freed_memory import keep_freed_memory
from pipeline.pretraining.planner import cost_table, count_schedule
from pipeline.pretraining.training_images import TrainingImages
from pipeline.pretraining.tuning import TuningRecord, has_no_latent, keep_as_it_is
from pipeline.runs.processes import is_first_process
from pipeline.runs.progress import Deadline
from pipeline.runs.requeue import Attempt
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.summary import Summary, recorded_command
from pipeline.worlds.opening import open_world
from teachers.checkpoint import load_teacher, teacher_folder
from teachers.eg3d.teacher import EG3DTeacher, start_from
from teachers.plain_values import read_json_file


@verb("pretrain")
def main(config: DictConfig) -> None:
    """Trains until `schedule.total_images` or `trainer.max_time`, whichever comes first."""
    torch.set_num_threads(config.trainer.threads)
    keep_freed_memory()
    run = RunFolder(Path(config.paths.run))
    is_tuned = "of_checkpoint" in config.teacher
    if is_tuned and config.start_from is None:
        raise ValueError(
            "start_from is null, although teacher_network=checkpoint takes its networks from there:"
            " give start_from=DIR, a teacher folder"
        )
    if is_tuned and has_no_latent(config.start_from):
        if is_first_process():
            with nullcontext() if config.dry_run else run:
                keep_as_it_is(config.start_from, None if config.dry_run else run.path / "teacher")
        return
    if is_tuned:
        config = with_checkpoint(config)
    if config.licence is None:
        raise ValueError(
            "licence is null: say which licence these photographs allow for the teacher's weights,"
            " as in licence=CC-BY-NC-4.0; it goes into its passport and those of its students"
        )
    has_begun = run.checkpoint_to_resume() is not None or run.is_finished
    if config.start_from is None and has_begun:
        # a command that goes on, or writes the card, needn't repeat what the run began with
        config.start_from = run.recorded().get("start_from")
    require_networks(config)  # fails before images are rendered
    trained = config
    if config.dry_run:
        dry_run(config)
        return
    config = with_kernels(config, lambda: pretraining_trial(trained), run)
    with run if is_first_process() else nullcontext():
        if is_first_process():
            run.record(
                to_plain(config),
                free=free_keys(config),
                has_begun=has_begun,
            )
        if config.card.write:
            write_teacher_card(config, run.path / "teacher", load_photographs(config))
            return
        with (
            Summary(
                run, verb="pretrain", configuration=to_plain(config), numerics=numerics(config)
            ) as summary,
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
                    read_json_file(run.path / "teacher" / f"{name}.json", dict[str, Any])
                    for name in ("passport", "scores")
                )
                summary.update(passport=passport, scores=scores)


def train(
    config: DictConfig, run: RunFolder, attempt: Attempt, record: TuningRecord | None = None
) -> None:
    """Builds everything, and starts or continues the run.

    Args:
        record: of a tuning; None for a teacher from scratch.
    """
    photographs = load_photographs(config)
    module = build_module(config, photographs)
    trainer = build_trainer(
        config,
        build_callbacks(config, run, photographs, attempt, record),
        loggers=[CSVLogger(run.path, name="logs")],
        max_time=Deadline(config.trainer.max_time).left,
        strategy=STRATEGY,
    )
    state = run.checkpoint_to_resume()
    if state is None and config.start_from is not None:
        start_from(module.generator, module.discriminator, teacher_folder(config.start_from))
        module.average.load_state_dict(module.generator.state_dict())
    try:
        trainer.fit(module, datamodule=build_data(config, photographs), ckpt_path=state)
    finally:
        attempt.reached(module.seen, module.schedule.total_images)


def dry_run(config: DictConfig) -> None:
    """Prints what the run would take. Nothing is written."""
    photographs = load_photographs(config)
    module = build_module(config, photographs)
    machine = missing_machine(config)
    if machine is None:
        with_kernels(config, lambda: pretraining_trial(config))
        costs = measure_schedule(config, module, build_data(config, photographs))
    else:
        costs = count_schedule(module, processes=num_processes(config), machine=machine)
    if is_first_process():
        table = cost_table(costs, module.schedule, config.hours)
        if machine is not None:
            needed = max(cost.gpu_gib or 0.0 for cost in costs)
            table = f"{machine.caveat(num_processes(config), needed)}\n{table}"
        sys.stdout.write(f"{table}\n")


class _Seen(TypedDict):
    images: float


def write_teacher_card(config: DictConfig, folder: Path, photographs: TrainingImages) -> None:
    """Scores the run's teacher at full size, also against its world, and writes its card."""
    teacher = load_teacher(folder)
    assert isinstance(teacher, EG3DTeacher)
    is_rendered = config.data._target_.endswith("rendered_images")
    name = config.data.get("world", "puppets" if is_rendered else None)
    scores = score_at_full_size(
        teacher,
        photographs,
        None if name is None else open_world(name, supersampling=1),
        unseen=build_validation(config) if is_rendered and config.card.validation else None,
        compared=config.card.compared,
        weights=Path(config.paths.weights),
    )
    images = int(read_json_file(folder / "scores.json", _Seen)["images"])
    begun = begun_from(config)
    write_card(
        folder,
        teacher,
        scores,
        images=images,
        begun_from=None if begun is None else begun.name,
        imitated=imitated_images(config, images),
        recipe=recorded_command(folder.parent) or f"trilift pretrain name={config.name}",
        notes=config.card.notes,
    )


if __name__ == "__main__":
    main()
