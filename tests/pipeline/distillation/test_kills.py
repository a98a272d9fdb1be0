"""Whatever a run is killed by, the same command ends it with the weights of a run that nothing
disturbed.
"""

import os
import random
import signal
import time

import pytest

from tests.pipeline.distillation.training_states import assert_same_state, assert_same_student


def kill_at_random(run, settings: list[str], random_numbers: random.Random) -> int:
    """Starts the run and kills it after a few steps, or before the first, in the middle of whatever
    it does; returns how it ended.
    """
    before, process = run.step, run.start(*settings)
    if steps := random_numbers.choice((0, 1, 1, 2)):
        run.reach(before + steps)
    time.sleep(random_numbers.uniform(0.0, 0.15))
    os.kill(process, signal.SIGKILL)
    return run.wait(process)


@pytest.mark.parametrize(
    "kills", [3, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
)
def test_random_kills_in_a_row_leave_no_trace_in_the_weights(new_run, kills):
    settings = [
        f"trainer.max_steps={5 * kills}",
        "callbacks.validation.samples=2",
        "callbacks.validation.every_steps=5",
        "callbacks.average.half_life=5",
    ]
    undisturbed = new_run("undisturbed").finish(*settings, "callbacks.state.every_steps=1000")
    victim, random_numbers = new_run("victim"), random.Random(kills)
    ends = [kill_at_random(victim, settings, random_numbers) for _ in range(kills)]
    assert ends == [-signal.SIGKILL] * kills
    assert 0 < victim.step < 5 * kills
    victim.finish(*settings)
    assert victim.status["status"] == "finished"
    assert_same_state(undisturbed.state, victim.state)
    assert_same_student(undisturbed.folder, victim.folder)


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_a_signal_saves_the_step_and_asks_for_another_attempt(new_run, number, status):
    run = new_run("run")
    process = run.start("trainer.max_steps=1000", "callbacks.state.every_steps=4")
    run.reach(4)
    os.kill(process, number)
    assert run.wait(process) == status
    assert run.status["status"] == "unfinished"
    assert number.name in run.status["reason"]
    assert run.status["done"] == run.step >= 4
    assert "To resume, run the same command." in run.log
    run.finish(f"trainer.max_steps={run.step + 1}")
    assert run.status["status"] == "finished"


def test_the_exit_status_is_a_setting(new_run):
    run = new_run("run")
    process = run.start("trainer.max_steps=1000", "stop.exit_code=99")
    run.reach(1)
    os.kill(process, signal.SIGTERM)
    assert run.wait(process) == 99


def test_a_run_without_room_for_its_state_goes_on_and_keeps_the_state_before(new_run):
    run = new_run("run").finish("trainer.max_steps=2")
    status = run.wait(
        run.start("trainer.max_steps=5", "callbacks.validation.samples=0", LARGEST_FILE="30000")
    )
    assert status != 0
    assert run.log.count("the previous checkpoint there is untouched") >= 3
    assert "Training continues" in run.log
    assert (run.step, run.status["status"]) == (2, "failed")
    assert "cannot save the training state" in run.status["reason"]
    assert run.finish("trainer.max_steps=5").step == 5
