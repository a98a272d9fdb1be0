"""`trilift cameras`: says what a file of cameras is, and writes it in another format."""

import json

import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.data.labels import check_labels
from pipeline.verbs import cameras
from teachers.rendering.camera import Camera


def run(*overrides: str) -> int:
    try:
        cameras.main(compose("cameras", *overrides))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


@pytest.fixture
def dataset(tmp_path):
    camera = Camera.orbit(torch.linspace(-0.8, 0.8, 6), torch.linspace(-0.2, 0.3, 6))
    labels = [[f"{row}.png", label] for row, label in enumerate(camera.label().tolist())]
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    return tmp_path / "dataset.json"


def test_good_labels_are_called_what_they_are(dataset, capsys):
    assert run(f"input={dataset}") == 0
    said = capsys.readouterr().out
    assert (
        "6 cameras, read as eg3d" in said
        and "camera-to-world, OpenCV axes" in said
        and "y up; intrinsics normalised" in said
    )
    assert "look at (0.00, 0.00, 0.00) from 2.70 to 2.70 away" in said


def test_there_and_back_through_colmap_gives_labels_that_training_takes(dataset, tmp_path):
    assert run(f"input={dataset}", "to=colmap", f"output={tmp_path / 'colmap'}", "size=512") == 0
    assert run(f"input={tmp_path / 'colmap'}", "to=eg3d", f"output={tmp_path / 'again.json'}") == 0
    before, after = (
        dict(json.loads(path.read_text())["labels"]) for path in (dataset, tmp_path / "again.json")
    )
    torch.testing.assert_close(
        check_labels(list(after), list(after.values())), torch.tensor(list(before.values()))
    )


def test_opengl_labels_are_noticed_and_can_be_put_right(dataset, tmp_path, capsys):
    run(f"input={dataset}", "to=opengl", f"output={tmp_path / 'gl.json'}")
    content = json.loads((tmp_path / "gl.json").read_text())
    (tmp_path / "gl.json").write_text(json.dumps({"labels": content["labels"]}))
    capsys.readouterr()
    assert run(f"input={tmp_path / 'gl.json'}") == 1
    assert "from=opengl" in capsys.readouterr().out
    assert (
        run(
            f"input={tmp_path / 'gl.json'}",
            "from=opengl",
            "to=eg3d",
            f"output={tmp_path / 'right.json'}",
        )
        == 0
    )
    assert run(f"input={tmp_path / 'right.json'}") == 0


def test_pixels_in_place_of_normalised_intrinsics_are_noticed(dataset, capsys):
    content = json.loads(dataset.read_text())
    for _, label in content["labels"]:
        label[16], label[18], label[20], label[21] = 2183.5, 256, 2183.5, 256
    dataset.write_text(json.dumps(content))
    assert run(f"input={dataset}") == 1
    assert "intrinsics in pixels" in capsys.readouterr().out


def test_a_conversion_needs_a_place(dataset):
    with pytest.raises(ValueError, match="needs output"):
        run(f"input={dataset}", "to=nerf")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        run("input=gone.json")


def test_an_output_that_exists_is_replaced_only_on_request_and_keeps_its_other_keys(
    dataset, tmp_path
):
    content = json.loads(dataset.read_text())
    dataset.write_text(json.dumps({"alpha": "premultiplied", **content}))
    with pytest.raises(FileExistsError, match=r"dataset\.json exists: .*overwrite=true"):
        run(f"input={dataset}", "to=eg3d", f"output={dataset}")
    run(f"input={dataset}", "to=eg3d", f"output={dataset}", "overwrite=true")
    run(f"input={dataset}", "to=eg3d", f"output={tmp_path / 'other.json'}")
    for path in (dataset, tmp_path / "other.json"):
        assert json.loads(path.read_text())["alpha"] == "premultiplied"


@pytest.mark.parametrize("kept", ["points3D.txt", "images.txt"])
def test_a_colmap_model_with_points_is_never_written_over(dataset, tmp_path, kept):
    model = tmp_path / "model"
    run(f"input={dataset}", "to=colmap", f"output={model}", "size=512")
    run(f"input={dataset}", "to=colmap", f"output={model}", "size=512", "overwrite=true")
    if kept == "images.txt":
        lines = (model / kept).read_text().splitlines()
        text = "\n".join([*lines[:2], "10.5 20.5 1", *lines[3:]])
    else:
        text = "1 0.1 0.2 0.3 200 180 160 0.5 1 0\n"
    (model / kept).write_text(text)
    with pytest.raises(FileExistsError, match="with points, which would be lost"):
        run(f"input={dataset}", "to=colmap", f"output={model}", "size=512", "overwrite=true")
    assert (model / kept).read_text() == text
