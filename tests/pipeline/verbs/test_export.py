"""`trilift export`: from photographs and from what lift wrote, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import command_line
from pipeline.build.configuration import compose, to_plain
from pipeline.exporters.formats import FileSettings, HeadFiles
from pipeline.exporters.head_mesh import MeshSettings
from pipeline.exporters.sampled import sampled_identity
from pipeline.inference.pretrained import student_file
from pipeline.inference.triplane_file import save_triplane
from pipeline.inversion.models import Models
from pipeline.inversion.student import Student
from pipeline.lifter import Lifter
from pipeline.verbs import export
from teachers.checkpoint import load_teacher
from teachers.toy import ToyTeacher
from tests.pipeline.verbs.test_lift import photograph


def run(source: Path | None, output: Path, *overrides: str) -> int:
    """The exit status of the verb."""
    given = [
        f"input={'null' if source is None else source}",
        f"output={output}",
        "portraits=whole",
        "mesh.resolution=32",
    ]
    try:
        export.main(compose("export", *given, *overrides))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture(scope="module")
def lifted(tmp_path_factory):
    """A folder as lift writes it, of a grey picture."""
    folder = tmp_path_factory.mktemp("lifted") / "anna"
    student = Lifter.load(student_file("bundled/puppets_tiny"))
    method = Student(models=Models(student=lambda: student))
    portrait = method.lift(torch.zeros(1, 3, method.image_size, method.image_size))
    save_triplane(folder / "triplane.safetensors", portrait.triplane, portrait.passport)
    return folder


def test_photographs_become_folders_and_a_bad_one_stops_no_other(tmp_path, capsys):
    photographs = tmp_path / "in"
    photographs.mkdir()
    pixels = np.full((64, 64, 3), 128, np.uint8)
    Image.fromarray(pixels).save(photographs / "anna.png")
    (photographs / "notes.txt").write_text("no picture")
    assert run(photographs, tmp_path / "out", "format=[glb,obj]") == 1
    assert names(tmp_path / "out" / "anna") == {"head.glb", "head.obj", "head.mtl"}
    said = capsys.readouterr()
    assert "Apache-2.0" in said.out and "notes.txt" in said.err


def test_what_lift_wrote_is_exported_by_folder_and_by_file(lifted, tmp_path):
    assert run(lifted, tmp_path / "one", "format=ply") == 0
    assert run(lifted / "triplane.safetensors", tmp_path / "two", "format=ply") == 0
    one, two = (tmp_path / name / "anna" / "head.ply" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_what_an_inversion_wrote_keeps_its_own_renderer(tmp_path):
    """Of the toy teacher, whose planes the bundled student couldn't draw."""
    toy = ToyTeacher()
    sampled_identity(toy, 0).lifter.save(tmp_path / "ball" / "identity.safetensors")
    assert run(tmp_path / "ball" / "identity.safetensors", tmp_path, "format=ply") == 0
    assert (tmp_path / "ball" / "head.ply").exists()


def test_a_photograph_is_lifted_by_the_given_method(tmp_path):
    picture = photograph(tmp_path / "anna.png", (48, 48))
    short = [
        f"method.{name}" for name in ("search.steps=1", "search.samples=8", "camera.preheat=0")
    ]
    assert run(picture, tmp_path / "w", "format=ply", "method=w", "teacher=toy", *short) == 0
    assert (tmp_path / "w" / "anna" / "head.ply").exists()


def test_a_head_without_a_surface_is_one_line_and_stops_no_other(
    untrained_student, tmp_path, capsys
):
    """Also: the student is that of `checkpoint`, here one that has learnt nothing."""
    picture = photograph(tmp_path / "anna.png", (48, 48))
    assert run(picture, tmp_path / "out", f"checkpoint={untrained_student}") == 2
    assert f"{picture}: the field has no surface" in capsys.readouterr().err


def test_a_teachers_sample_is_the_identity_of_its_number(tmp_path):
    assert run(None, tmp_path, "sample=3", "format=ply") == 0
    portrait = sampled_identity(load_teacher("bundled/heads"), 3)
    HeadFiles(portrait, FileSettings(MeshSettings(resolution=32))).write(
        tmp_path / "again", ["ply"]
    )
    one, again = (tmp_path / name / "head.ply" for name in ("sample3", "again"))
    assert one.read_bytes() == again.read_bytes()


def test_one_of_input_and_sample_is_needed(tmp_path):
    for source, given in ((None, ()), (tmp_path, ("sample=1",))):
        with pytest.raises(ValueError, match="give one of them"):
            run(source, tmp_path / "out", *given)


def test_another_teachers_triplane_is_refused(lifted, untrained_student, tmp_path):
    with pytest.raises(ValueError, match="belong together"):
        run(lifted, tmp_path, f"checkpoint={untrained_student}")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("format=[glb,stl]", "format 'stl' is unknown: give some of glb"),
        ("format=[]", "format is"),
        ("mesh.resolution=4", "mesh.resolution is 4"),
        ("metres_per_unit=-1", "metres_per_unit is -1.0"),
    ],
)
def test_bad_settings_are_refused_before_anything_is_loaded(tmp_path, override, message):
    with pytest.raises(ValueError, match=message):
        run(photograph(tmp_path / "anna.png"), tmp_path / "out", override)
    assert not (tmp_path / "out").exists()


def test_the_label_is_that_of_films():
    settings = to_plain(compose("export", "input=a.png", "output=out", "label=true"))
    assert export.kinds_of(settings).displays.label == "synthetic: made by trilift"
    assert export.kinds_of({**settings, "label": False}).displays.label is None


def test_an_input_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run(tmp_path / "nobody.png", tmp_path / "out")


def test_a_file_of_tensors_that_is_no_triplane_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match="can't be read as a triplane"):
        run(tmp_path / "model.safetensors", tmp_path / "out")


def test_commas_between_formats_need_no_brackets():
    given = ["input=a.png", "format=glb,ply", "format=[usdz]", "mesh.faces=10"]
    assert command_line.listed_formats(given) == [
        "input=a.png",
        "format=[glb,ply]",
        "format=[usdz]",
        "mesh.faces=10",
    ]
