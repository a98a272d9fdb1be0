"""Two processes train as one would: other identities each, the same step together, and the number
may change when a run resumes.
"""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.runs.processes import is_first_on_its_node, is_first_process
from tests.builders import eg3d_settings, process_environment, teacher_folder


def gradients(state: dict, optimizer: int = 0) -> torch.Tensor:
    """What Adam's first moment is after one step: the gradient, times one less β₁."""
    moments = state["optimizer_states"][optimizer]["state"]
    return torch.cat([moments[key]["exp_avg"].flatten() for key in sorted(moments)])


def numbers(path: Path) -> list[int]:
    return [int(line) for line in path.read_text().split()]


def test_two_processes_draw_different_identities_and_have_the_gradient_of_one(
    new_run, tmp_path, free_port
):
    settings = [
        "batch_size=4",
        "calibration_samples=0",
        "trainer.max_steps=1",
        "trainer.gradient_clip_val=null",
    ]
    alone = new_run("alone").finish(*settings, NOTE_SAMPLES=str(tmp_path / "alone-"))
    pair = new_run("pair")
    assert pair.together(*settings, port=free_port, NOTE_SAMPLES=str(tmp_path / "pair-")) == [
        0,
        0,
    ], pair.log
    assert numbers(tmp_path / "alone-0") == [0, 1, 2, 3]
    assert [numbers(tmp_path / f"pair-{rank}") for rank in range(2)] == [[0, 2], [1, 3]]
    expected, found = gradients(alone.state), gradients(pair.state)
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_the_adversarial_stage_of_two_processes_has_the_statistics_groups_and_gradients_of_one(
    new_run, tmp_path, free_port
):
    folder = teacher_folder(
        tmp_path / "teacher",
        eg3d_settings(32, depth_samples=6, importance_samples=6),
        group=4,
    )
    teacher = ["teacher=folder", f"teacher.path={folder}"]
    adversarial = [
        "plan=two_stage",
        "plan.stages.reconstruction.steps=1",
        "plan.adversary.betas=[0.5,0.99]",
        "loss=[triplane,image]",
    ]
    settings = [
        *teacher,
        *adversarial,
        "batch_size=8",
        "calibration_samples=0",
        "trainer.gradient_clip_val=null",
    ]
    shared = new_run("shared").finish(*settings, "trainer.max_steps=1")
    alone, pair = new_run("alone"), new_run("pair")
    for run in (alone, pair):  # both enter the stage from the same state
        subprocess.run(["cp", "-r", str(shared.folder), str(run.folder)], check=True)
    alone.finish(*settings, "trainer.max_steps=2")
    assert pair.together(*settings, "trainer.max_steps=2", port=free_port) == [0, 0], pair.log
    for optimizer in range(2):
        expected, found = (gradients(run.state, optimizer) for run in (alone, pair))
        assert expected.abs().max() > 0
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()
    too_small = new_run("small")
    assert (
        too_small.together(
            *[s.replace("batch_size=8", "batch_size=4") for s in settings],
            "trainer.max_steps=2",
            port=free_port,
        )[0]
        == 1
    )
    assert "groups of 4, it would get 2 at once" in too_small.log


def test_a_process_without_held_out_identities_takes_part_in_the_validation(new_run, free_port):
    settings = [
        "batch_size=2",
        "calibration_samples=0",
        "callbacks.validation.samples=1",
        "callbacks.validation.every_steps=1",
        "trainer.max_steps=1",
    ]
    alone, pair = new_run("alone").finish(*settings), new_run("pair")
    assert pair.together(*settings, port=free_port) == [0, 0], pair.log
    expected, *found = (
        [float(score) for score in re.findall(r"step 1: loss (\S+), psnr_reference", run.log)]
        for run in (alone, pair)
    )
    assert len(expected) == 1
    assert found == [pytest.approx(expected * 2, abs=2e-4)]


def test_a_dry_run_may_have_more_processes_than_held_out_identities(new_run, free_port):
    run = new_run("dry")
    settings = ["dry_run=true", "callbacks.validation.samples=1", "trainer.max_steps=2"]
    assert run.together(*settings, port=free_port) == [0, 0], run.log
    assert "GiB" in run.log


def test_a_run_goes_on_with_another_number_of_processes(new_run, free_port):
    settings = ["batch_size=4", "calibration_samples=0"]
    straight = new_run("straight").finish(*settings, "trainer.max_steps=6")
    changing = new_run("changing").finish(*settings, "trainer.max_steps=2")
    start = changing.state["state_dict"]
    assert changing.together(*settings, "trainer.max_steps=4", port=free_port) == [
        0,
        0,
    ], changing.log
    changing.finish(*settings, "trainer.max_steps=6")
    first, second = straight.state, changing.state
    assert first["distillation"] == second["distillation"]
    moved, apart = (
        sum((first["state_dict"][name] - other[name]).square().sum() for name in start)
        for other in (start, second["state_dict"])
    )
    assert moved > 0
    assert apart < 1e-4 * moved


def test_a_signal_to_one_process_stops_both_in_order(new_run, free_port):
    run = new_run("run")
    address = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port),
        "WORLD_SIZE": "2",
        "TORCHELASTIC_RUN_ID": "test",
    }
    shared = {**address, "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    first, second = (
        run.start(
            "trainer.devices=2",
            "trainer.max_steps=10000",
            **shared,
            RANK=str(rank),
            LOCAL_RANK=str(rank),
        )
        for rank in range(2)
    )
    run.reach(2)
    os.kill(second, signal.SIGTERM)
    assert [run.wait(first), run.wait(second)] == [75, 0], run.log
    assert run.status["status"] == "unfinished"
    assert run.status["done"] == run.step
    assert run.log.count("To resume, run the same command.") == 1


def test_typed_as_a_user_types_it_two_devices_share_a_run(new_run):
    run = new_run("run")
    command = [
        sys.executable,
        "-m",
        "pipeline.verbs.distill",
        *run.settings,
        "trainer.devices=2",
        "trainer.max_steps=2",
        "batch_size=4",
    ]
    done = subprocess.run(
        command,
        env=process_environment(),
        cwd=run.folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert run.step == 2
    assert "gloo" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("environment", "first_of_all", "first_of_node"),
    [
        ({}, True, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True, True),
        ({"RANK": "8", "LOCAL_RANK": "0"}, False, True),
        ({"LOCAL_RANK": "1"}, False, False),
        ({"NODE_RANK": "1"}, False, True),
        ({"SLURM_PROCID": "9", "SLURM_LOCALID": "1"}, False, False),
        ({"SLURM_PROCID": "8", "SLURM_LOCALID": "0"}, False, True),
        ({"SLURM_PROCID": "0", "SLURM_LOCALID": "0", "LOCAL_RANK": "1"}, False, False),
    ],
)
def test_one_process_of_a_run_and_one_of_a_node_come_first(
    monkeypatch, environment, first_of_all, first_of_node
):
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (is_first_process(), is_first_on_its_node()) == (first_of_all, first_of_node)
