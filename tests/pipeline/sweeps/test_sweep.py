"""Whole sweeps, in processes of their own; the verb that they run costs nothing (stub_verb.py)."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.sweeps.cell import Cell
from tests.builders import STUDENT_SETTINGS, process_environment


def record(cell: Path) -> dict:
    return json.loads((cell / "cell.json").read_text())


def test_a_sweep_killed_in_the_middle_is_continued_by_the_same_command(sweep_process, wait_until):
    settings = ["seed=0,1", "batch_size=3,4"]
    names = [
        "seed-0__batch_size-3",
        "seed-0__batch_size-4",
        "seed-1__batch_size-3",
        "seed-1__batch_size-4",
    ]
    first, second, third, fourth = (sweep_process.sweep / name for name in names)
    victim = sweep_process.start(*settings, step_seconds=0.4)
    wait_until(
        lambda: (third / "steps").exists() and (third / "steps").read_text() not in ("", "0")
    )
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    before = {
        cell: (
            record(cell),
            (cell / "cell.json").stat().st_mtime_ns,
            (cell / "output.log").read_bytes(),
        )
        for cell in (first, second)
    }
    assert [record(cell)["state"] for cell in (first, second, third)] == [
        "finished",
        "finished",
        "running",
    ] and not fourth.exists()
    sweep_process.run(*settings)
    for cell, kept in before.items():
        assert (
            record(cell),
            (cell / "cell.json").stat().st_mtime_ns,
            (cell / "output.log").read_bytes(),
        ) == kept
    assert (record(third)["state"], record(third)["attempts"]) == ("finished", 2)
    assert (third / "steps.log").read_text().split() == ["0", "1", "2"]
    assert (record(fourth)["state"], record(fourth)["attempts"]) == ("finished", 1)
    with (sweep_process.sweep / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["cell"], row["state"], float(row["psnr_novel"])) for row in rows] == [
        (name, "finished", 10 + size + seed / 10)
        for name, (seed, size) in zip(names, [(0, 3), (0, 4), (1, 3), (1, 4)], strict=True)
    ]
    assert "batch_size=3 | 2/2 | 13.05 ± 0.07" in (sweep_process.sweep / "table.md").read_text()


def test_joblib_runs_cells_side_by_side_and_a_failed_one_is_listed_and_tried_again(
    sweep_process,
):
    settings = ["seed=1,2,3", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
    sweep_process.sweep.mkdir(parents=True)
    (sweep_process.sweep / "broken").touch()
    said = sweep_process.run(*settings, status=1)
    assert (
        "- `seed-3`: exit status 1: RuntimeError: seed 3 is broken" in said
        and "| all | 2/3 |" in said
    )
    assert [record(sweep_process.sweep / f"seed-{seed}")["state"] for seed in (1, 2, 3)] == [
        "finished",
        "finished",
        "failed",
    ]
    (sweep_process.sweep / "broken").unlink()
    assert "| all | 3/3 |" in sweep_process.run(*settings)
    assert [record(sweep_process.sweep / f"seed-{seed}")["attempts"] for seed in (1, 2, 3)] == [
        1,
        1,
        2,
    ]


def test_submitit_runs_cells_as_jobs(sweep_process):
    said = sweep_process.run(
        "seed=1,2", "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5"
    )
    assert "| all | 2/2 |" in said
    assert all(
        record(sweep_process.sweep / f"seed-{seed}")["state"] == "finished" for seed in (1, 2)
    )
    # A folder of a job's own would be made after the job has started.
    assert not any(path.is_dir() for path in (sweep_process.sweep / ".submitit").iterdir())


def test_a_cell_that_another_process_runs_is_waited_for(sweep_process):
    cell = Cell("distill", (), (), sweep_process.sweep / "seed-1")
    with cell.held():
        process = sweep_process.start("seed=1,2")
        said = []
        for line in process.stdout:
            said.append(line)
            if "waiting for another process that runs seed-1" in line:
                break
        assert (
            record(sweep_process.sweep / "seed-2")["state"] == "finished" and cell.record() is None
        ), "".join(said)
    output, _ = process.communicate()
    assert process.returncode == 0 and "| all | 2/2 |" in output
    assert record(sweep_process.sweep / "seed-1")["attempts"] == 1


def test_a_cell_that_does_not_compose_is_listed_and_the_others_run(sweep_process):
    said = sweep_process.run("student=huge,tiny", status=1)
    assert record(sweep_process.sweep / "student-tiny")["state"] == "finished"
    assert "- `student-huge`: " in said and "Could not find 'student/huge'" in said
    assert "0 of 2 cells are finished" in said and "1 of 2 cells are finished; the same" in said


@pytest.mark.parametrize("given", ["hydra.searchpath=[file://{}]", "--config-dir={}"])
def test_cells_find_the_configuration_of_a_users_package(sweep_process, repository, given):
    conf = repository / "tests" / "plugins" / "conf"
    sweep_process.run("trust=[my_lab]", "cameras=arc", "seed=1,2", given.format(conf))
    for seed in (1, 2):
        config = compose("distill", *record(sweep_process.sweep / f"seed-{seed}")["overrides"])
        assert config.cameras.reference._target_ == "my_lab.arc.ArcPrior"


def test_a_search_continues_where_it_was_killed_and_knows_the_best(sweep_process, wait_until):
    settings = [
        "hydra/sweeper=search",
        "hydra.sweeper.trials=4",
        "validation_seed=int(interval(0,6))",
        "batch_size=2",
    ]
    victim = sweep_process.start(*settings, step_seconds=0.4)
    wait_until(lambda: (sweep_process.sweep / "trial-0001" / "steps").exists())
    os.killpg(victim.pid, signal.SIGKILL)
    victim.communicate()
    said = sweep_process.run(*settings)
    trials = [record(sweep_process.sweep / f"trial-{number:04d}") for number in range(4)]
    assert [trial["state"] for trial in trials] == ["finished"] * 4 and trials[0]["attempts"] == 1
    assert not (sweep_process.sweep / "trial-0004").exists() and "best of 4: psnr_novel" in said
    with (sweep_process.sweep / "cells.csv").open() as file:
        assert [row["cell"] for row in csv.DictReader(file)] == [
            f"trial-{number:04d}" for number in range(4)
        ]
    assert "Launching" not in sweep_process.run(*settings, "--table")


def test_a_search_with_other_settings_is_refused_and_says_which(sweep_process):
    settings = [
        *("hydra/sweeper=search", "hydra.sweeper.sampler=random"),
        "validation_seed=int(interval(0,6))",
    ]
    sweep_process.run(*settings, "hydra.sweeper.trials=1")
    table = (sweep_process.sweep / "table.md").read_bytes()
    for more in ([], ["--table"]):
        said = sweep_process.run(
            *settings, "hydra.sweeper.trials=2", "batch_size=6", *more, status=2
        )
        assert "trial-0000 was scored with another configuration (before → now):" in said
        assert "\n  batch_size: (not given) → 6\n" in said and "validation_seed:" not in said
    assert not (sweep_process.sweep / "trial-0001").exists()
    assert (sweep_process.sweep / "table.md").read_bytes() == table
    # What doesn't change a result doesn't stop the search.
    said = sweep_process.run(*settings, "hydra.sweeper.trials=2", "trainer.threads=1")
    assert "best of 2: psnr_novel" in said


def test_a_search_takes_what_was_trained_once_it_has_an_objective(sweep_process):
    settings = ["hydra/sweeper=search", "hydra.sweeper.trials=1", "batch_size=int(interval(2,4))"]
    said = sweep_process.run(*settings, "hydra.sweeper.objective=pixels", status=2)
    assert (
        "no score 'pixels', it has psnr_novel" in said and "give hydra.sweeper.objective=" in said
    )
    said = sweep_process.run(*settings, "hydra.sweeper.direction=minimize")
    assert "best of 1: psnr_novel" in said
    assert record(sweep_process.sweep / "trial-0000")["attempts"] == 1


def test_the_same_command_retries_the_failed_trials_of_a_search(sweep_process):
    settings = ["hydra/sweeper=search", "hydra.sweeper.trials=2", "seed=choice(3)"]
    broken = sweep_process.sweep / "broken"
    broken.parent.mkdir(parents=True)
    broken.touch()
    said = sweep_process.run(*settings, status=1)
    assert "0 of 2 cells are finished; the same command continues" in said
    broken.unlink()
    assert "best of 2: psnr_novel" in sweep_process.run(*settings)
    assert record(sweep_process.sweep / "trial-0001")["attempts"] == 2


def test_a_run_of_the_default_seed_counts_once(sweep_process):
    sweep_process.run("batch_size=2,3")
    said = sweep_process.run("seed=0,1", "batch_size=2,3")
    assert "| batch_size=2 | 2/2 | 12.05 ± 0.07 |" in said
    assert "| batch_size=3 | 2/2 | 13.05 ± 0.07 |" in said
    with (sweep_process.sweep / "cells.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6


@pytest.mark.slow
def test_processes_of_several_devices_start_the_run_again_and_not_the_sweep(repository, tmp_path):
    small = [
        *("teacher=toy", "sampler=fast", "loss=[triplane,image]", *STUDENT_SETTINGS),
        *("batch_size=2", "calibration_samples=2", "trainer.threads=1", "trainer.max_steps=2"),
        "callbacks.state.every_steps=1",
        "callbacks.validation.every_steps=2",
        "callbacks.validation.samples=2",
        "callbacks.preview.identities=0",
    ]
    command = [
        sys.executable,
        "-m",
        "pipeline.command_line",
        "distill",
        "-m",
        *small,
        "trainer.devices=2",
        "seed=0,1",
        "name=swept",
    ]
    done = subprocess.run(
        command, cwd=tmp_path, env=process_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    sweep = tmp_path / "runs" / "distill" / "swept"
    assert {folder.name for folder in sweep.iterdir() if folder.is_dir()} == {"seed-0", "seed-1"}
    for cell in (sweep / "seed-0", sweep / "seed-1"):
        assert record(cell)["attempts"] == 1 and "MEMBER: 2/2" in (cell / "output.log").read_text()
    assert (
        Image.open(sweep / "pareto.png").size[0] > 0
        and "| all | 2/2 |" in (sweep / "table.md").read_text()
    )
