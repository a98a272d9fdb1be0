"""A lifter file is everything that is needed to lift, and nothing that could run."""

import dataclasses
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from pipeline.lifter import BUNDLED, Lifter, Recipe, student_file
from students.two_stage import TwoStageEncoder
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher

SMALL = {
    "plane_channels": 16,
    "plane_resolution": 32,
    "image_size": 32,
    "backbone": "compact",
    "backbone_widths": [8, 8, 8],
    "dim": 16,
    "canonical_blocks": 1,
    "canonical_heads": 2,
    "canonical_patch_stride": 1,
    "canonical_widths": [8],
    "canonical_upsamplings": 0,
    "detail_widths": [8],
    "detail_strides": [2],
    "fusion_widths": [8],
    "fusion_dim": 16,
    "fusion_patch_stride": 1,
    "head_widths": [8],
}


def small_lifter() -> Lifter:
    torch.manual_seed(0)
    recipe = Recipe("students.two_stage.TwoStageEncoder", SMALL)
    return Lifter.from_teacher(
        encoder=TwoStageEncoder(**SMALL), encoder_recipe=recipe, teacher=ToyTeacher()
    ).eval()


def test_a_saved_lifter_lifts_and_draws_the_same(tmp_path):
    lifter = small_lifter()
    lifter.step = 12
    lifter.save(tmp_path / "runs" / "student.safetensors")
    loaded = Lifter.load(tmp_path / "runs" / "student.safetensors")
    image, camera = (
        torch.rand(2, 3, 32, 32) * 2 - 1,
        Camera.orbit(torch.tensor([0.2, -0.3]), torch.tensor([0.0, 0.1])),
    )
    with torch.no_grad():
        first, second = (one.render(one.lift(image), camera) for one in (lifter, loaded))
    assert all(torch.equal(getattr(first, name), getattr(second, name)) for name in vars(first))
    assert (loaded.step, loaded.passport, loaded.training) == (12, lifter.passport, False)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["student.safetensors"]


def test_lifted_planes_have_the_teachers_axes_box_and_size():
    teacher = ToyTeacher()
    planes, target = (
        small_lifter().lift(torch.zeros(1, 3, 32, 32)),
        teacher.synthesize(teacher.mean_latent()),
    )
    assert (planes.axes, planes.box_size, planes.planes.shape) == (
        target.axes,
        target.box_size,
        target.planes.shape,
    )


def test_the_renderer_is_a_frozen_copy():
    teacher = ToyTeacher()
    lifter = Lifter.from_teacher(
        encoder=TwoStageEncoder(**SMALL), encoder_recipe=Recipe("x", {}), teacher=teacher
    )
    assert lifter.renderer is not teacher.renderer
    assert not any(parameter.requires_grad for parameter in lifter.renderer.parameters())


def described(tmp_path, **changes):
    """A lifter file whose description says something else."""
    path = tmp_path / "student.safetensors"
    small_lifter().save(path)
    with safetensors.safe_open(path, "pt") as file:
        description = json.loads(file.metadata()["lifter"])
    metadata = {"lifter": json.dumps({**description, **changes})}
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, metadata=metadata)
    return path


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "pipeline.lifter.Recipe",
        "students.two_stage.Path",
        "teachers.checkpoint.load_teacher",
    ],
)
def test_only_our_own_networks_are_built(tmp_path, target):
    arguments = {"path": str(tmp_path)} if target.endswith("load_teacher") else {}
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        Lifter.load(described(tmp_path, encoder={"target": target, "arguments": arguments}))
    assert (
        "refusing" in str(caught.value)
        or "teacher folder" in str(caught.value)
        or "cannot be built" in str(caught.value)
    )


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"schema": 99}, "schema 99"),
        (
            {
                "encoder": {
                    "target": "students.two_stage.TwoStageEncoder",
                    "arguments": {**SMALL, "dims": 3},
                }
            },
            "cannot be built",
        ),
        (
            {
                "encoder": {
                    "target": "students.two_stage.TwoStageEncoder",
                    "arguments": {**SMALL, "dim": 32},
                }
            },
            "don't fit",
        ),
        (
            {"encoder": {"target": "students.two_stage.ThreeStageEncoder", "arguments": {}}},
            "not in this version",
        ),
        ({"encoder": 3}, "damaged"),
    ],
)
def test_a_file_that_does_not_fit_says_why(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        Lifter.load(described(tmp_path, **changes))


def test_other_files_are_told_apart(tmp_path):
    with pytest.raises(FileNotFoundError, match="distil one first"):
        Lifter.load(tmp_path / "nothing.safetensors")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ValueError, match="not a safetensors file"):
        Lifter.load(tmp_path / "text")
    safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="doesn't say of what"):
        Lifter.load(tmp_path / "weights.safetensors")


def test_a_student_starts_from_another_of_the_same_teacher_whole(tmp_path):
    trained = small_lifter()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.5)
    trained.save(tmp_path / "trained.safetensors")
    fresh = small_lifter()
    assert fresh.start_from(tmp_path / "trained.safetensors") == []
    assert all(
        torch.equal(value, trained.state_dict()[name]) for name, value in fresh.state_dict().items()
    )


def test_a_student_of_another_teacher_lends_what_fits_of_its_encoder_and_only_if_asked(tmp_path):
    trained = small_lifter()
    trained.save(tmp_path / "trained.safetensors")
    recipe = Recipe("students.two_stage.TwoStageEncoder", {**SMALL, "head_widths": [12]})
    torch.manual_seed(1)
    other = Lifter.from_teacher(
        encoder=TwoStageEncoder(**recipe.arguments),
        encoder_recipe=recipe,
        teacher=ToyTeacher(density=30.0),
    )
    with pytest.raises(ValueError, match="do not belong together"):
        other.start_from(tmp_path / "trained.safetensors")
    fresh = other.start_from(tmp_path / "trained.safetensors", other_teacher=True)
    before = trained.encoder.state_dict()
    assert fresh and all("plane_head" in name for name in fresh)
    assert all(
        torch.equal(value, before[name])
        for name, value in other.encoder.state_dict().items()
        if name not in fresh
    )
    assert other.passport.options["density"] == 30.0


def test_a_student_that_starts_from_another_teachers_is_under_both_licences(tmp_path):
    lender, borrower = small_lifter(), small_lifter()
    lender.passport = dataclasses.replace(
        lender.passport, name="borrowed", licence="For research only."
    )
    lender.save(tmp_path / "lender.safetensors")
    own = borrower.passport.licence
    borrower.start_from(tmp_path / "lender.safetensors", other_teacher=True)
    assert (
        borrower.passport.licence
        == f"{own} Started from a student of 'borrowed': For research only."
    )


def test_a_student_of_another_architecture_is_no_start(tmp_path):
    small_lifter().save(tmp_path / "trained.safetensors")
    recipe = Recipe("students.two_stage.TwoStageEncoder", {**SMALL, "dim": 32})
    other = Lifter.from_teacher(
        encoder=TwoStageEncoder(**recipe.arguments), encoder_recipe=recipe, teacher=ToyTeacher()
    )
    with pytest.raises(ValueError, match="another architecture"):
        other.start_from(tmp_path / "trained.safetensors")


def test_a_bundled_student_is_named_without_its_folder(tmp_path, monkeypatch):
    assert student_file("bundled/puppets_tiny.safetensors").parent == BUNDLED
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bundled").mkdir()
    (tmp_path / "bundled" / "mine.safetensors").touch()
    assert student_file("bundled/mine.safetensors") == Path("bundled/mine.safetensors")
