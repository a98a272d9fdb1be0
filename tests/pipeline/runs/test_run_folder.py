"""A run belongs to one process and to one configuration."""

import os
import subprocess
import sys

import pytest

from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.runs.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_refused_by_name_and_a_killed_one_frees_the_run(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline().strip() == "locked"
        with (
            pytest.raises(ValueError, match=f"in use by process {holder.pid} on "),
            RunFolder(tmp_path / "run"),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with RunFolder(tmp_path / "run"):
        assert str(os.getpid()) in (tmp_path / "run" / "lock").read_text()


def test_the_lock_is_released_at_the_end_of_the_context(tmp_path):
    run = RunFolder(tmp_path / "a" / "run")
    for _ in range(2):
        with run:
            pass


def test_the_same_configuration_continues_a_run(tmp_path):
    with RunFolder(tmp_path / "run") as run:
        assert run.record({"seed": 1, "trainer": {"max_steps": 10}}) is False
        assert run.record({"trainer": {"max_steps": 10}, "seed": 1}) is True


def test_a_changed_configuration_is_refused_with_every_difference(tmp_path):
    with RunFolder(tmp_path / "run") as run:
        run.record(
            {
                "seed": 1,
                "loss": {"image": {"weight": 1.0}, "depth": {"weight": 1.0}},
                "trainer": {"max_steps": 10},
            }
        )
        with pytest.raises(ValueError, match="another configuration") as caught:
            run.record(
                {
                    "seed": 2,
                    "loss": {"image": {"weight": 0.5}, "feature": {"weight": 2.0}, "score": {}},
                    "trainer": {"max_steps": 20},
                },
                free=["trainer.max_steps"],
            )
    message = str(caught.value)
    assert "seed: 1 → 2" in message
    assert "loss.image.weight: 1.0 → 0.5" in message
    assert 'loss.depth: {"weight": 1.0} → (absent)' in message
    assert 'loss.feature: (absent) → {"weight": 2.0}' in message
    assert "loss.score" not in message  # an empty node
    assert "max_steps" not in message


def test_free_keys_may_change_with_all_below_them_and_no_others(tmp_path):
    with RunFolder(tmp_path / "run") as run:
        run.record({"logger": {"kind": "csv"}, "loggers": 1})
        assert run.record({"logger": None, "loggers": 1}, free=["logger"])
        with pytest.raises(ValueError, match="loggers: 1 → 2"):
            run.record({"logger": None, "loggers": 2}, free=["logger"])


def test_a_start_that_saved_nothing_does_not_refuse_a_corrected_setting(tmp_path):
    with RunFolder(tmp_path / "run") as run:
        run.record({"seed": 1})
        assert not run.record({"seed": 2}, has_begun=False)
        assert run.recorded() == {"seed": 2}
        with pytest.raises(ValueError, match="seed: 2 → 3"):
            run.record({"seed": 3})


def test_nothing_can_be_resumed_before_a_complete_checkpoint_exists(tmp_path):
    run = RunFolder(tmp_path / "run")
    assert run.checkpoint_to_resume() is None
    SafetensorsCheckpointIO().save_checkpoint({"step": 1}, run.last_checkpoint)
    assert run.checkpoint_to_resume() == run.last_checkpoint
    run.last_checkpoint.rename(run.last_checkpoint.with_name("last~previous"))
    assert run.checkpoint_to_resume() == run.last_checkpoint
