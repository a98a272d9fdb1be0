"""A student's file holds everything that is needed to lift, and no code."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from pipeline.lifter import Lifter, Recipe
from students.two_stage import TwoStageEncoder
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher
from tests.builders import student_arguments, tiny_lifter

SMALL = student_arguments()


def small_lifter() -> Lifter:
    return tiny_lifter(ToyTeacher()).eval()


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


def described_in(path: Path) -> dict[str, Any]:
    """The description in a student's file."""
    with safetensors.safe_open(path, "pt") as file:
        return json.loads(file.metadata()["lifter"])


def rewrite(path: Path, description: dict[str, Any]) -> None:
    metadata = {"lifter": json.dumps(description)}
    safetensors.torch.save_file(safetensors.torch.load_file(path), path, metadata=metadata)


def described(tmp_path, **changes):
    """A student's file whose description says something else."""
    path = tmp_path / "student.safetensors"
    small_lifter().save(path)
    rewrite(path, {**described_in(path), **changes})
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
        ({"encoder": 3}, "encoder is 3: expected keys"),
    ],
)
def test_a_file_that_does_not_fit_says_why(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        Lifter.load(described(tmp_path, **changes))


def test_other_files_are_recognised(tmp_path):
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


def test_a_student_of_another_teacher_lends_fitting_weights_only_on_request(tmp_path):
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


def test_a_student_of_fewer_layers_is_no_start_either(tmp_path):
    trained = small_lifter()
    trained.save(tmp_path / "trained.safetensors")
    fewer = {**SMALL, "canonical_blocks": SMALL["canonical_blocks"] - 1}
    recipe = Recipe("students.two_stage.TwoStageEncoder", fewer)
    other = Lifter.from_teacher(
        encoder=TwoStageEncoder(**fewer), encoder_recipe=recipe, teacher=ToyTeacher()
    )
    before = {name: value.clone() for name, value in other.state_dict().items()}
    with pytest.raises(ValueError, match="have no place in this student: it has fewer layers"):
        other.start_from(tmp_path / "trained.safetensors")
    assert all(torch.equal(value, before[name]) for name, value in other.state_dict().items())
    other.start_from(tmp_path / "trained.safetensors", other_teacher=True)


def test_a_new_file_names_schema_and_kind(tmp_path):
    description = described_in(described(tmp_path))
    assert (description["schema"], description["kind"]) == (2, "lifter")


def test_files_of_schema_1_name_no_kind_and_are_read(tmp_path):
    path = tmp_path / "student.safetensors"
    lifter = small_lifter()
    lifter.save(path)
    description = described_in(path)
    del description["kind"]
    rewrite(path, {**description, "schema": 1})
    loaded = Lifter.load(path)
    assert type(loaded) is Lifter
    assert all(
        torch.equal(value, lifter.state_dict()[name]) for name, value in loaded.state_dict().items()
    )


@pytest.fixture
def foreign_package(tmp_path, monkeypatch) -> str:
    """A package outside the repository with an encoder and a kind of student."""
    folder = tmp_path / "packages" / "my_lab"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "from students.two_stage import TwoStageEncoder\n"
        "from pipeline.lifter import Lifter\n"
        "class Encoder(TwoStageEncoder): pass\n"
        "class Student(Lifter): pass\n"
    )
    monkeypatch.syspath_prepend(folder.parent)
    yield "my_lab"
    sys.modules.pop("my_lab", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "my_lab.Student"},
        {"encoder": {"target": "my_lab.Encoder", "arguments": SMALL}},
    ],
)
def test_code_of_another_package_is_imported_only_if_that_is_trusted(
    tmp_path, foreign_package, changes
):
    path = described(tmp_path, **changes)
    with pytest.raises(ValueError, match=r"refusing.*trust=\[my_lab\]"):
        Lifter.load(path)
    assert foreign_package not in sys.modules
    lifter = Lifter.load(path, trust=[foreign_package])
    assert "my_lab" in {type(lifter).__module__, type(lifter.encoder).__module__}
    lifter.save(tmp_path / "again.safetensors")
    again = described_in(tmp_path / "again.safetensors")
    assert all(again[key] == value for key, value in changes.items())


@pytest.mark.parametrize("kind", ["video", "teachers.toy.ToyTeacher", "students.nothing.Here"])
def test_an_unknown_kind_is_an_error(tmp_path, kind):
    with pytest.raises(ValueError, match=r"kind|not in this version"):
        Lifter.load(described(tmp_path, kind=kind))
