"""One command goes through all the stages of a plan, and can be stopped and continued in any of
them.
"""

from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig

from pipeline.build.configuration import compose
from pipeline.lifter import Lifter
from pipeline.runs.resume import SafetensorsCheckpointIO
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs.distill import distill, main
from teachers.checkpoint import load_teacher
from tests.builders import STUDENT_SETTINGS, eg3d_settings, teacher_folder
from tests.pipeline.distillation.training_states import leaves

SMALL = [
    "teacher=folder",
    *STUDENT_SETTINGS,
    "batch_size=2",
    "calibration_samples=2",
    "callbacks.validation.every_steps=100",
    "callbacks.validation.samples=1",
    "callbacks.preview.identities=0",
    "plan=two_stage",
    "plan.stages.reconstruction.steps=2",
    "plan.stages.reconstruction.reference_every=2",
    "plan.adversary.r1_every=2",
]  # fmt: skip


@pytest.fixture
def teacher(tmp_path) -> Path:
    return teacher_folder(tmp_path / "teacher", eg3d_settings(32, background="matte"))


@pytest.fixture
def configuration(teacher) -> DictConfig:
    return compose("distill", *SMALL, f"teacher.path={teacher}")


def run(configuration: DictConfig, folder: Path, max_steps: int) -> dict:
    config = configuration.copy()
    config.paths.run, config.trainer.max_steps = str(folder), max_steps
    distill(config, RunFolder(folder))
    return SafetensorsCheckpointIO().load_checkpoint(folder / "checkpoints" / "last")


def require_equal(first: dict, second: dict) -> None:
    for part in ("distillation", "state_dict", "optimizer_states", "callbacks"):
        one, other = leaves(first[part]), leaves(second[part])
        assert one.keys() == other.keys()
        for name, value in one.items():
            same = (
                torch.equal(value, other[name])
                if isinstance(value, torch.Tensor)
                else value == other[name]
            )
            assert same or "StateKeeper" in name, f"{part}{name}"


def test_stopped_before_at_and_after_the_boundary_a_run_ends_with_the_same_state_bit_for_bit(
    tmp_path, configuration, teacher
):
    undisturbed = run(configuration, tmp_path / "a", 5)
    for stop in (1, 2, 4):
        assert run(configuration, tmp_path / "b", stop)["distillation"]["step"] == stop
    require_equal(undisturbed, run(configuration, tmp_path / "b", 5))
    assert undisturbed["distillation"]["stage"] == "adversarial"
    assert len(undisturbed["optimizer_states"]) == 2
    before, after = (
        load_teacher(teacher).renderer.state_dict(),
        Lifter.load(tmp_path / "a" / "student.safetensors"),
    )
    assert after.step == 5
    assert any(
        not torch.equal(value, before[name]) for name, value in after.renderer.state_dict().items()
    )


def test_a_teacher_without_a_discriminator_is_refused_at_the_start(
    tmp_path, configuration, teacher
):
    (teacher / "discriminator.safetensors").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"has no discriminator \(discriminator.safetensors missing\)"
    ):
        run(configuration, tmp_path / "a", 1)


def test_a_teacher_without_a_folder_is_refused_at_the_start(tmp_path):
    with pytest.raises(ValueError, match="comes from no folder"):
        run(compose("distill", "teacher=toy", "plan=two_stage"), tmp_path / "a", 1)


def test_a_dry_run_costs_every_stage_and_leaves_nothing_behind(
    tmp_path, configuration, capsys, teacher
):
    config = configuration.copy()
    config.paths.run, config.trainer.max_steps, config.dry_run = str(tmp_path / "run"), 1000, True
    before = {path: path.read_bytes() for path in teacher.iterdir()}
    main(config)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:5]] == [
        "stage",
        "reconstruction",
        "adversarial",
        "the",
        "disk:",
    ]
    assert (
        "0 … 2 " in lines[1] and "2 … 1000 " in lines[2] and "the run: 1000 steps in " in lines[3]
    )
    assert not (tmp_path / "run").exists()
    assert {path: path.read_bytes() for path in teacher.iterdir()} == before


def test_a_cell_of_a_sweep_is_no_dry_run(tmp_path, configuration):
    config = configuration.copy()
    config.paths.run, config.dry_run = str(tmp_path), True
    (tmp_path / "cell.json").write_text("{}")
    with pytest.raises(ValueError, match="can't be a dry run"):
        main(config)


def test_a_dry_run_counts_the_work_for_a_gpu_that_is_not_there(
    tmp_path, configuration, capsys, monkeypatch
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    config = configuration.copy()
    config.paths.run, config.trainer.max_steps, config.dry_run = str(tmp_path / "run"), 1000, True
    config.hours, config.trainer.accelerator, config.trainer.bfloat16 = 24, "gpu", True
    config.batch_size, config.trainer.devices = 16, 2
    main(config)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "extrapolated, not measured: counted work at 7.9 TFLOP/s on 2 × a100"
    )
    assert [line.split()[0] for line in lines[2:4]] == ["reconstruction", "adversarial"]
    assert "after 1 d: all 1000 steps are made" in lines[5]
    assert not (tmp_path / "run").exists()
