"""Distil a student from a teacher, stage by stage of a plan.

Samples are drawn on the fly or read from shards (`data`).
Run the same command again to continue where it was; SIGTERM or Ctrl-C saves first, and the exit
status 75 asks a scheduler for another attempt. The best student so far (against an adversary: the
latest) is `student.safetensors` in the run's folder, preview sheets are in `previews`, metrics in
`metrics` (docs/metrics.md). `dry_run=true` estimates time, memory and disk instead.
`experiment=fuser` trains what fuses the frames of films instead (docs/fusion.md),
`experiment=proposals` what places a teacher's ray samples (docs/speed.md).
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf

from pipeline.build.application import verb
from pipeline.build.beside import (
    OF_ENCODER,
    Beside,
    changed_from_default,
    measure_beside,
    train_beside,
    without_encoder_settings,
)
from pipeline.build.configuration import free_keys, instantiate, to_plain
from pipeline.build.distillation import (
    Parts,
    build_adversary,
    build_lifter,
    build_module,
    build_plan,
    distillation_trial,
    prepare,
)
from pipeline.build.distillation_trainer import (
    build_callbacks,
    build_loggers,
    count_work,
    measure_stage,
    micro_batch,
)
from pipeline.build.fusion import fuser_parts
from pipeline.build.numerics import missing_machine, num_processes, numerics, with_kernels
from pipeline.build.plane_codec import write_map
from pipeline.build.proposals import proposal_parts
from pipeline.build.sampler import build_sampler, build_source
from pipeline.build.trainer import build_trainer
from pipeline.distillation.cost import cost_table
from pipeline.distillation.guards import NonFiniteGuard
from pipeline.distillation.module import STATE_KEY
from pipeline.distillation.replay import describe, replay, replay_sheet, student_weights
from pipeline.pictures import write_png
from pipeline.runs.markers import with_markers
from pipeline.runs.processes import is_first_process
from pipeline.runs.progress import Deadline
from pipeline.runs.requeue import Attempt
from pipeline.runs.resume import read_entry
from pipeline.runs.run_folder import RunFolder
from pipeline.runs.summary import Summary
from teachers.kernels import choose_kernels
from teachers.teacher import Teacher

log = logging.getLogger(__name__)

OTHERS = {"fuser": fuser_parts, "proposals": proposal_parts}
"""What is trained instead of a student where the configuration has such a group."""


@verb("distill")
def main(config: DictConfig) -> float | None:
    """Trains to the end of the plan. Returns the validation loss, None if a signal stopped the run;
    with `replay`, the loss of that sample.
    """
    torch.set_num_threads(config.trainer.threads or max(1, len(os.sched_getaffinity(0))))
    run = RunFolder(Path(config.paths.run))
    chosen = [key for key in OTHERS if config.get(key) is not None]
    if len(chosen) > 1:
        raise ValueError(
            f"{' and '.join(chosen)} are given, and one is trained at a time: set the other to null"
        )
    beside = OTHERS[chosen[0]] if chosen else None
    if beside is not None:
        require_alone(config)
        config = without_encoder_settings(config)
    if config.start_from_other_teacher and config.start_from is None:
        raise ValueError(
            "start_from is null, although start_from_other_teacher=true: give"
            " start_from=FILE, the student.safetensors that this training goes on from"
        )
    if config.replay is not None:
        return show_again(run, config)
    if config.dry_run:
        dry_run(config, run, beside)
        return None
    config = with_kernels(config, lambda: distillation_trial(config), run)
    with run if is_first_process() else nullcontext():
        if is_first_process():
            run.record(
                to_plain(config),
                free=_free(config),
                has_begun=run.checkpoint_to_resume() is not None or run.is_finished,
            )
        with (
            Summary(
                run, verb="distill", configuration=to_plain(config), numerics=numerics(config)
            ) as summary,
            Attempt(run, **to_plain(config.stop)) as attempt,
        ):
            if beside is not None:
                return train_beside(config, run, beside(config, run), attempt, summary)
            return distill(config, run, attempt, summary)
    return None


def _free(config: DictConfig) -> tuple[str, ...]:
    """The keys that may change when a run goes on. The student from which another begins does; a
    fuser's stays its teacher, and a codec's map is that of its planes. What only a student's
    training reads may change where another network is trained: earlier versions recorded it as it
    was given.
    """
    is_beside = any(config.get(key) is not None for key in OTHERS)
    unread = (*OF_ENCODER, "optimizer") if is_beside else ()
    is_used_on = config.get("fuser") is not None or config.get("plane_codec") is not None
    return (
        *(key for key in free_keys(config) if not (is_used_on and key == "start_from")),
        *unread,
    )


def require_alone(config: DictConfig) -> None:
    """Raises ValueError for settings of a student beside those of another network."""
    others = {
        name: config.get(name) for name in ("replay", "machine", "photometric", "plane_codec")
    }
    given = [name for name, value in others.items() if value is not None]
    given += [] if config.data._target_.endswith(".live_samples") else ["data"]
    given += [] if config.trainer.accumulate == 1 else ["trainer.accumulate"]
    given += changed_from_default(config)
    if given:
        raise ValueError(
            f"a fuser's and a proposal network's training has no {', '.join(given)}"
            " (docs/fusion.md, docs/speed.md)"
        )


def distill(
    config: DictConfig,
    run: RunFolder,
    attempt: Attempt | None = None,
    summary: Summary | None = None,
) -> float:
    """Trains phase after phase of the plan, from the run's last training state on; returns the
    validation loss of the last step.

    Each phase has its own module and trainer and begins from the training state on disk, whether
    the phase before has just ended or the run is continued.
    """
    attempt = attempt or Attempt(run)
    parts = Parts.build(config)
    deadline = Deadline(config.trainer.max_time)
    guard = NonFiniteGuard(run.path / "nonfinite.jsonl", **to_plain(config.callbacks.guard))
    loggers = build_loggers(config, run)
    if summary is not None:
        summary.update(passport=json.loads(parts.teacher.passport.to_json()))
    while True:
        state = run.checkpoint_to_resume()
        step = 0 if state is None else int(read_entry(state, STATE_KEY)["step"])
        module = parts.module(config, step)
        if state is None:
            prepare(config, module)
        scores = parts.scores(config, run.path / "student.safetensors")
        end = parts.plan.phase_end(step, config.trainer.max_steps)
        trainer = build_trainer(
            config,
            build_callbacks(config, run, parts, scores, guard, attempt),
            loggers=loggers,
            max_steps=end,
            max_time=deadline.left,
            strategy=module.ddp_strategy,
        )
        parts.require_groups(config, trainer.world_size)
        try:
            trainer.fit(module, datamodule=parts.data(config), ckpt_path=state)
        finally:
            attempt.reached(module.step, parts.end)
            if summary is not None:
                summary.update(scores=scores.all)
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
        if module.codec is not None and scores.student_path.is_file():
            write_map(scores.student_path, parts.source)
        log.info(
            "step %d: validation loss %.4f, best %.4f: %s",
            module.step,
            scores.last,
            scores.best,
            scores.student_path,
        )
    return scores.last


def dry_run(
    config: DictConfig, run: RunFolder, beside: Callable[..., Beside] | None = None
) -> None:
    """Builds everything, makes a few steps of every stage, and prints what the run would take.
    Nothing is written into its folder.

    Args:
        config: of the run.
        run: its folder.
        beside: of `OTHERS`, if another network than a student is trained.
    """
    if (run.path / "cell.json").exists():
        raise ValueError(
            "a cell of a sweep can't be a dry run, after which it would count as finished: try one"
            " of the settings without -m"
        )
    if beside is not None:
        with_kernels(config, lambda: distillation_trial(config))
        table = measure_beside(config, run, beside(config, run))
        if is_first_process():
            sys.stdout.write(f"{table}\n")
        return
    parts = Parts.build(config)
    stages = [s for s in parts.plan.stages if parts.end < 0 or s.start < parts.end]
    machine = missing_machine(config)
    if machine is None:
        with_kernels(config, lambda: distillation_trial(config))
    costs = [
        measure_stage(config, parts, stage)
        if machine is None
        else count_work(config, parts, stage, machine)
        for stage in stages
    ]
    if is_first_process():
        table = cost_table(
            costs,
            batch_size=config.batch_size,
            micro_batch=micro_batch(config),
            preview_every=config.callbacks.preview.every_steps,
            folder=run.path,
            hours=config.hours,
        )
        if machine is not None:
            needed = max(cost.gpu_gib or 0.0 for cost in costs)
            table = f"{machine.caveat(num_processes(config), needed)}\n{table}"
        sys.stdout.write(f"{table}\n")


def show_again(run: RunFolder, command: DictConfig) -> float:
    """Shows a sample of the run and the prediction of its student; returns the loss.

    Writes a sheet into the folder `replay` and prints the losses. The sample comes from where the
    run's batches come from: drawn live, or read from shards. The run may continue meanwhile.

    Args:
        run: every setting but those below is its own, as it was last started.
        command: `replay` is the sample's number, `replay_student` "last" or "best".
    """
    number, which = int(command.replay), command.replay_student
    # The command's markers say which differences from the shards don't matter.
    recorded = with_markers(run.recorded(), OmegaConf.to_container(command, resolve=False))
    config = OmegaConf.create(recorded)
    choose_kernels(recorded.get("kernels", "readable"))
    teacher: Teacher = instantiate(config.teacher)
    plan = build_plan(config)
    step, weights = student_weights(run, which)
    adversary = (
        build_adversary(config, teacher.passport)
        if any(name.startswith("adversary.") for name in weights)
        else None
    )
    source = build_source(recorded, build_sampler(recorded, teacher), identities=0)
    module = build_module(config, plan, build_lifter(config, teacher), source, adversary)
    module.load_state_dict(weights, strict=which == "last")
    replayed = replay(module, number, step=number // config.batch_size)
    path = run.path / "replay" / f"sample-{number}-{which}-{step:07d}.png"
    write_png(path, replay_sheet(replayed, module.lifter.passport))
    sys.stdout.write(
        f"sample {number}, predicted by the {which} student, of step {step}\n"
        f"{describe(replayed)}\n{path}\n"
    )
    return replayed.losses["loss"]


if __name__ == "__main__":
    main()
