"""`trilift cameras`: says what a file of cameras is, and writes it in another format."""

import json

import numpy as np
import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.data.labels import check_labels
from pipeline.portraits.cameras.files import read_cameras, write_cameras
from pipeline.portraits.cameras.table import WORLDS
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


def test_cameras_that_seem_to_be_others_are_written_by_force_alone(dataset, tmp_path, capsys):
    write_cameras(tmp_path / "gl.json", read_cameras(dataset), "opengl")
    content = json.loads((tmp_path / "gl.json").read_text())
    (tmp_path / "gl.json").write_text(json.dumps({"labels": content["labels"]}))
    command = (
        f"input={tmp_path / 'gl.json'}",
        "to=nerf",
        f"output={tmp_path / 'x.json'}",
        "size=64",
    )
    assert run(*command) == 1
    assert "nothing is written" in capsys.readouterr().out
    assert not (tmp_path / "x.json").exists()
    assert run(*command, "force=true") == 1
    assert (tmp_path / "x.json").exists()


USUAL_UP = {"eg3d": "y", "opengl": "y", "blender": "z", "nerf": "z"}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("written", USUAL_UP)
def test_a_world_with_another_axis_up_is_noticed_and_can_be_put_right(
    dataset, tmp_path, capsys, written, world
):
    before, path, right = read_cameras(dataset), tmp_path / "world.json", tmp_path / "right.json"
    moved = before.in_world(world).from_world(USUAL_UP[written])
    write_cameras(path, moved, written, size=512)
    assert run(f"input={path}") == int(world != USUAL_UP[written])
    said = capsys.readouterr().out
    assert f"{world} up; intrinsics" in said
    assert (f"read it with up={world}\n" in said) == (world != USUAL_UP[written])
    assert run(f"input={path}", f"up={world}", "to=eg3d", f"output={right}") == 0
    np.testing.assert_allclose(read_cameras(right).cam_to_world, before.cam_to_world, atol=1e-9)
    wrong = next(up for up in WORLDS if up != world)
    assert run(f"input={path}", f"up={wrong}") == 1


def test_axes_and_world_are_put_right_together(dataset, tmp_path, capsys):
    path = tmp_path / "gl.json"
    write_cameras(path, read_cameras(dataset).in_world("-y"), "opengl")
    path.write_text(json.dumps({"labels": json.loads(path.read_text())["labels"]}))
    assert run(f"input={path}") == 1
    assert "read it with from=opengl up=-y\n" in capsys.readouterr().out
    assert run(f"input={path}", "from=opengl", "up=-y") == 0


def test_an_axis_that_no_setting_turns_up_is_noticed(dataset, tmp_path, capsys):
    table = read_cameras(dataset)
    table.cam_to_world[:] = np.eye(4)[[1, 0, 2, 3]] * [[-1], [1], [1], [1]] @ table.cam_to_world
    write_cameras(tmp_path / "x.json", table, "eg3d")
    assert run(f"input={tmp_path / 'x.json'}") == 1
    assert "-x seems to be up, and only worlds with y, z, -y up" in capsys.readouterr().out


def test_the_world_of_cameras_that_look_down_by_45_degrees_is_not_doubted(tmp_path, capsys):
    camera = Camera.orbit(torch.linspace(-0.3, 0.3, 6), torch.full((6,), 0.79))
    labels = [[f"{row}.png", label] for row, label in enumerate(camera.label().tolist())]
    (tmp_path / "down.json").write_text(json.dumps({"labels": labels}))
    assert run(f"input={tmp_path / 'down.json'}") == 0, capsys.readouterr().out


def test_colmap_s_world_is_taken_as_it_comes(dataset, tmp_path):
    moved = read_cameras(dataset).in_world("-y")
    write_cameras(tmp_path / "model", moved, "colmap", size=512)
    assert run(f"input={tmp_path / 'model'}") == 0


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
