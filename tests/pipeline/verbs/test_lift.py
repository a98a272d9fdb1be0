"""`trilift lift`: a folder for each photograph, a line for each bad file, and an exit status."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.inference import pretrained
from pipeline.inference.device import device_named
from pipeline.inference.triplane_file import read_triplane
from pipeline.inversion.fused import fuser_file
from pipeline.lifter import Lifter
from pipeline.runs.files import sha256_of_file
from pipeline.verbs import export, lift
from teachers.checkpoint import load_teacher
from teachers.eg3d.weights import LICENCE


def photograph(path: Path, size: tuple[int, int] = (60, 40), level: int = 0) -> Path:
    pixels = np.full((size[1], size[0], 3), level, np.uint8)
    pixels[:, : size[0] // 2] = (255, 0, 0)
    Image.fromarray(pixels).save(path)
    return path


def run(checkpoint: Path | None, source: Path, output: Path, *overrides: str) -> int:
    """The exit status of the verb."""
    given = [f"checkpoint={checkpoint}"] if checkpoint else []
    try:
        lift.main(
            compose(
                "lift",
                f"input={source}",
                f"output={output}",
                "turntable.frames=2",
                *given,
                *overrides,
            )
        )
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def test_a_photograph_becomes_a_folder(untrained_student, tmp_path, capsys):
    output = tmp_path / "out"
    assert run(untrained_student, photograph(tmp_path / "anna.png"), output) == 0
    film = "turntable.mp4" if (output / "anna" / "turntable.mp4").exists() else "turntable.gif"
    expected = {
        "crop.png",
        "sheet.png",
        "depth.png",
        "depth.safetensors",
        "triplane.safetensors",
        film,
        "crop.json",
        "photograph.png",
    }
    assert {path.name for path in (output / "anna").iterdir()} == expected
    said = capsys.readouterr().out
    assert "Apache-2.0" in said and " ms" in said
    triplane, passport = read_triplane(output / "anna" / "triplane.safetensors")
    assert triplane.planes.shape == (1, 3, 16, 32, 32) and passport.name == "spheres"
    depth = load_file(output / "anna" / "depth.safetensors")
    assert depth["depth"].shape == depth["opacity"].shape == (8, 8) and depth["camera"].shape == (
        25,
    )


def test_the_licence_of_the_teachers_weights_is_said_and_goes_with_the_planes(
    untrained_student, tmp_path, capsys
):
    student = Lifter.load(untrained_student)
    student.passport = dataclasses.replace(student.passport, licence=LICENCE)
    student.save(tmp_path / "student.safetensors")
    assert (
        run(tmp_path / "student.safetensors", photograph(tmp_path / "anna.png"), tmp_path / "out")
        == 0
    )
    assert "non-commercial" in LICENCE and LICENCE in capsys.readouterr().out
    assert read_triplane(tmp_path / "out" / "anna" / "triplane.safetensors")[1].licence == LICENCE


def test_the_student_sees_the_configured_crop(untrained_student, tmp_path):
    source = photograph(tmp_path / "wide.png", (80, 40))
    for crop, left, right in (("[0,0,40]", 255, 255), ("[40,0,40]", 0, 0), ("null", 255, 0)):
        assert run(untrained_student, source, tmp_path / "out", f"crop={crop}") == 0
        seen = np.asarray(Image.open(tmp_path / "out" / "wide" / "crop.png"))
        assert (seen[16, 2, 0], seen[16, 29, 0]) == (left, right)


def test_the_face_is_found_by_landmarks_beside_the_picture_and_the_output_says_where_it_was(
    untrained_student, tmp_path
):
    source = photograph(tmp_path / "anna.png", (200, 200))
    five = [[80, 70], [120, 70], [100, 95], [84, 114], [116, 114]]
    (tmp_path / "anna.json").write_text(json.dumps({"landmarks": five}))
    assert run(untrained_student, source, tmp_path / "out", "portraits=landmarks") == 0
    record = json.loads((tmp_path / "out" / "anna" / "crop.json").read_text())
    assert record["face_found"] and len(record["camera"]) == 25 and record["landmarks"] == five
    assert record["crop"]["left"] + record["crop"]["size"] / 2 == pytest.approx(100, abs=0.01)
    overview = np.asarray(Image.open(tmp_path / "out" / "anna" / "photograph.png"))
    assert overview.shape == (200, 200, 3) and (overview == (255, 255, 0)).all(-1).any()


def test_bad_files_get_a_line_each_and_stop_no_other(untrained_student, tmp_path, capsys):
    source = tmp_path / "in"
    source.mkdir()
    photograph(source / "good.png")
    photograph(source / "good.jpg")
    Image.new("RGB", (1, 1)).save(source / "dot.png")
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    frames[0].save(source / "moving.gif", save_all=True, append_images=frames[1:])
    moving = (source / "moving.gif").read_bytes()
    (source / "cut.gif").write_bytes(moving[: moving.rindex(b",") + 9])  # in the second frame
    (source / "empty.webp").touch()
    (source / "notes.txt").write_text("not a photograph\nat all")
    assert run(untrained_student, source, tmp_path / "out") == 1
    complaints = capsys.readouterr().err.splitlines()
    assert [Path(line.split(": ")[0]).name for line in complaints] == [
        "cut.gif",
        "dot.png",
        "empty.webp",
        "notes.txt",
    ]
    assert "damaged GIF file" in complaints[0]
    frames = {"moving+frame00000", "moving+frame00001"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"good_png", "good_jpg", *frames}


def test_none_lifted_is_status_2(untrained_student, tmp_path):
    (tmp_path / "notes.txt").write_text("no photograph")
    assert run(untrained_student, tmp_path / "notes.txt", tmp_path / "out") == 2


def test_transparent_pixels_take_the_background_of_the_teacher(untrained_student, tmp_path):
    Image.new("RGBA", (32, 32), (0, 0, 0, 0)).save(tmp_path / "cut.png")
    run(untrained_student, tmp_path / "cut.png", tmp_path / "out")
    assert (
        np.asarray(Image.open(tmp_path / "out" / "cut" / "crop.png")).min() == 255
    )  # the toy teacher's is white


def test_without_a_student_it_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "BUNDLED", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no student bundled/puppets.*make demo"):
        run(None, photograph(tmp_path / "anna.png"), tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="trilift distill"):
        run(tmp_path / "gone.safetensors", tmp_path / "anna.png", tmp_path / "out")


def test_the_bundled_student_is_the_default(untrained_student, tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "BUNDLED", tmp_path)
    (tmp_path / "puppets_tiny.safetensors").symlink_to(untrained_student)
    assert run(None, photograph(tmp_path / "anna.png"), tmp_path / "out") == 0


def test_a_device_that_is_not_here_is_refused():
    with pytest.raises(ValueError, match="use auto, cpu or cuda"):
        device_named("abacus")
    assert device_named("cpu") == torch.device("cpu")


@pytest.mark.parametrize("given", ["runtime=openvino", "runtime_file=x.onnx", "bfloat16=true"])
@pytest.mark.parametrize("verb", ["lift", "export"])
def test_how_an_encoder_is_run_is_for_students_only(untrained_student, tmp_path, verb, given):
    source, output = photograph(tmp_path / "photo.png"), tmp_path / "out"
    with pytest.raises(ValueError, match=rf"{given}: how .* and this method optimises"):
        if verb == "lift":
            run(untrained_student, source, output, "method=hybrid", given)
        else:
            settings = [f"input={source}", f"output={output}", "method=hybrid", given]
            export.main(compose("export", *settings, f"checkpoint={untrained_student}"))
    assert not output.exists()


def test_the_background_is_the_teacher_s_or_a_grey_level(untrained_student):
    passport = Lifter.load(untrained_student).passport
    white, black = (dataclasses.replace(passport, background=name) for name in ("white", "black"))
    levels = [lift.background_level(None, each) for each in (white, black)]
    assert levels == [1.0, 0.0] and lift.background_level(0.5, white) == 0.5
    for wrong in (1.5, True, "grey"):
        with pytest.raises(ValueError, match=f"background is {wrong!r}"):
            lift.background_level(wrong, white)


def test_what_a_film_shows_depends_on_the_content_of_all_files(tmp_path, monkeypatch):
    picture = photograph(tmp_path / "behind.png")
    hook = ["hooks=[background]", "hooks.background.colour=null"]

    def key(*overrides: str) -> dict:
        config = compose("lift", "input=x", "output=y", "device=cpu", *overrides)
        method = instantiate(config.method, models=lift.models_of(config))
        return lift.decisive(config, to_plain(config), method)

    given = (*hook, f"hooks.background.picture={picture}")
    before = key(*given)
    assert key(*given) == before
    photograph(picture, level=30)
    assert key(*given) != before
    fused = ["checkpoint=bundled/puppets", "method=fused"]
    trained = key(*fused, "method.fuser=bundled/fusers/puppets")
    assert trained["fuser"] == sha256_of_file(fuser_file("bundled/fusers/puppets"))
    assert "fuser" not in key(*fused)
    inverted = key("method=w", "teacher=puppets")
    assert inverted["teacher"] == load_teacher("bundled/puppets").passport.source_hash
    assert inverted["student"] is None and inverted["notes"] is not None
