"""How an attempt at a run ends: its status, exit status and requeueing."""

import os
import signal
from pathlib import Path

import pytest
from lightning.pytorch.plugins.environments import SLURMEnvironment

from pipeline.runs.requeue import Attempt, cluster_plugins, requeue_slurm_job
from pipeline.runs.run_folder import RunFolder


@pytest.fixture
def run(tmp_path, monkeypatch):
    for name in [
        name
        for name in os.environ
        if name.startswith("SLURM") or name in ("RANK", "LOCAL_RANK", "NODE_RANK")
    ]:
        monkeypatch.delenv(name)
    with RunFolder(tmp_path / "run") as folder:
        yield folder


@pytest.fixture
def slurm(tmp_path, monkeypatch) -> Path:
    """A job with an `scontrol` that records its arguments and shows the file `state`."""
    program = tmp_path / "bin" / "scontrol"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/requests\n[ "$1" = requeue ] || echo "JobId=7'
        f' JobState=$(cat {tmp_path}/state)"\n'
    )
    program.chmod(0o755)
    (tmp_path / "state").write_text("RUNNING")
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    return tmp_path


def ask_to_stop(attempt: Attempt, number: signal.Signals) -> None:
    attempt.signals.is_training = True
    os.kill(os.getpid(), number)
    assert attempt.signals.heard == number


def test_a_complete_run_is_finished_and_one_stopped_by_its_time_limit_is_not(run):
    with Attempt(run) as attempt:
        assert run.status()["status"] == "running"
        attempt.reached(5, 5)
    assert run.status()["status"] == "finished"
    with Attempt(run) as attempt:
        attempt.reached(5, 8)
    assert (run.status()["status"], run.status()["done"], run.status()["total"]) == (
        "unfinished",
        5,
        8,
    )


def test_an_error_is_recorded(run):
    with pytest.raises(ZeroDivisionError), Attempt(run):
        1 / 0  # noqa: B018
    assert (run.status()["status"], run.status()["reason"]) == (
        "failed",
        "ZeroDivisionError: division by zero",
    )


def test_a_killed_run_is_unfinished(run):
    run.mark("running")
    run.__exit__(None, None, None)
    assert (run.status()["status"], run.status()["reason"]) == (
        "unfinished",
        "its process was killed",
    )


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_before_training_a_signal_ends_the_attempt_at_once(run, number, status):
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as leaving, Attempt(run):
        os.kill(os.getpid(), number)
        pytest.fail("it went on")
    assert leaving.value.code == status
    assert run.status()["status"] == "unfinished"
    assert signal.getsignal(number) == before


def test_a_run_that_is_complete_when_a_signal_comes_needs_no_other_attempt(run, slurm):
    with Attempt(run) as attempt:
        ask_to_stop(attempt, signal.SIGTERM)
        attempt.reached(5, 5)
    assert run.status()["status"] == "finished"
    assert not (slurm / "requests").exists()


@pytest.mark.parametrize(
    ("number", "state", "is_requeued"),
    [
        (signal.SIGUSR1, "RUNNING", True),
        (signal.SIGTERM, "RUNNING", True),
        (signal.SIGTERM, "COMPLETING", False),
        (signal.SIGINT, "RUNNING", False),
    ],
)
def test_a_slurm_job_is_requeued_unless_it_was_cancelled_or_interrupted_by_ctrl_c(
    run, slurm, number, state, is_requeued
):
    (slurm / "state").write_text(state)
    with pytest.raises(SystemExit), Attempt(run) as attempt:
        ask_to_stop(attempt, number)
    requests = (
        (slurm / "requests").read_text().splitlines() if (slurm / "requests").exists() else []
    )
    assert ("requeue 7" in requests) is is_requeued


def test_a_job_of_an_array_is_named_as_such_and_requeueing_can_be_switched_off(
    run, slurm, monkeypatch
):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "5")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    with pytest.raises(SystemExit), Attempt(run, slurm_requeue=False) as attempt:
        ask_to_stop(attempt, signal.SIGTERM)
    assert not (slurm / "requests").exists()
    assert requeue_slurm_job()
    assert (slurm / "requests").read_text().splitlines()[-1] == "requeue 5_3"


def test_without_slurm_or_its_program_nothing_is_requeued(run, monkeypatch, caplog):
    assert not requeue_slurm_job()
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("PATH", "")
    assert not requeue_slurm_job()
    assert "submit it again" in caplog.text


def test_only_the_first_process_of_a_node_exits_with_the_status_and_only_the_first_of_all_marks(
    run, monkeypatch
):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with Attempt(run) as attempt:
        ask_to_stop(attempt, signal.SIGTERM)
    assert run.status() == {}


def test_lightnings_own_requeueing_is_off_under_srun(run, monkeypatch):
    assert cluster_plugins() == []
    monkeypatch.setenv("SLURM_NTASKS", "2")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    [environment] = cluster_plugins()
    assert isinstance(environment, SLURMEnvironment)
    assert not environment.auto_requeue
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "1")
    assert cluster_plugins() == []


def test_an_exit_status_that_means_success_is_refused(run):
    with pytest.raises(ValueError, match="exit_code is 0"):
        Attempt(run, exit_code=0)
