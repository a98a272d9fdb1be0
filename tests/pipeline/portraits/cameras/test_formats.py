"""A camera that goes through another program's file still sees every point where it saw it."""

import itertools
import json
import math

import numpy as np
import pytest
import torch

from pipeline.portraits.cameras.convention import seeming_convention
from pipeline.portraits.cameras.files import (
    FORMATS,
    format_of,
    read_cameras,
    seeming,
    write_cameras,
)
from pipeline.portraits.cameras.table import CameraTable
from teachers.rendering.camera import Camera

POINTS = np.random.default_rng(0).uniform(-0.4, 0.4, (20, 3))


def table(count: int = 7, sizes=None) -> CameraTable:
    """Cameras round a head, rolled, with lenses of their own."""
    turns = np.random.default_rng(1).uniform(-1, 1, (4, count))
    yaw, pitch, roll = (
        torch.from_numpy(row * most).float()
        for row, most in zip(turns, (1.2, 0.4, 0.2), strict=False)
    )
    focal = torch.from_numpy(4 + turns[3]).float()
    camera = Camera.orbit(
        yaw, pitch, roll=roll, pivot=(0.0, 0.05, 0.2), focal=focal, principal_point=(0.48, 0.53)
    )
    matrices = camera.cam_to_world.double().numpy()
    left, _, right = np.linalg.svd(
        matrices[:, :3, :3]
    )  # float32 leaves them orthonormal to 1e-7 only
    matrices[:, :3, :3] = left @ right
    return CameraTable(
        [f"folder/view {row}.png" for row in range(count)],
        matrices,
        camera.intrinsics.double().numpy(),
        sizes,
    )


def test_the_table_projects_as_the_projects_camera_does():
    ours = table()
    camera = Camera(torch.from_numpy(ours.cam_to_world), torch.from_numpy(ours.intrinsics))
    expected = camera.project(torch.from_numpy(POINTS).expand(len(ours), -1, -1))[0]
    np.testing.assert_allclose(ours.project(POINTS), expected.numpy(), atol=1e-12)


@pytest.mark.parametrize(("first", "second"), list(itertools.product(FORMATS, FORMATS)))
def test_points_stay_where_they_were_seen_from_any_format_to_any_other_and_back(
    tmp_path, first, second
):
    before, at = table(), tmp_path / "a"
    write_cameras(at, before, first, size=512)
    assert format_of(at) == first
    write_cameras(tmp_path / "b", read_cameras(at), second, size=512)
    after = read_cameras(tmp_path / "b")
    assert after.names == before.names
    np.testing.assert_allclose(after.project(POINTS), before.project(POINTS), atol=1e-9)
    np.testing.assert_allclose(after.cam_to_world, before.cam_to_world, atol=1e-9)


@pytest.mark.parametrize("convention", ["nerf", "colmap"])
def test_pictures_that_are_not_square_keep_their_pixels(tmp_path, convention):
    before = table(3, np.array([[640, 480], [100, 300], [640, 480]]))
    write_cameras(tmp_path / "a", before, convention)
    after = read_cameras(tmp_path / "a")
    assert after.sizes.tolist() == before.sizes.tolist()
    np.testing.assert_allclose(after.project(POINTS), before.project(POINTS), atol=1e-9)


def test_colmap_s_own_arithmetic_sees_the_same_point(tmp_path):
    before = table(2)
    write_cameras(tmp_path / "a", before, "colmap", size=200)
    words = (tmp_path / "a" / "images.txt").read_text().splitlines()[1].split(maxsplit=9)
    w, v, t = float(words[1]), np.array(words[2:5], float), np.array(words[5:8], float)
    point = POINTS[0]
    local = (
        point + 2 * np.cross(v, np.cross(v, point) + w * point) + t
    )  # the rotation by a quaternion, without a matrix
    fx, fy, cx, cy = np.array(
        (tmp_path / "a" / "cameras.txt").read_text().splitlines()[1].split()[4:], float
    )
    pixel = np.array([fx * local[0] / local[2] + cx, fy * local[1] / local[2] + cy])
    np.testing.assert_allclose(pixel / 200, before.project(POINTS)[0, 0], atol=1e-9)


def test_blender_s_front_view_is_the_frontal_camera(tmp_path):
    """In Blender a camera at (0, -2.7, 0), turned up by 90° about x, looks along +y at what faces
    -y.
    """
    matrix = [[1, 0, 0, 0], [0, 0, -1, -2.7], [0, 1, 0, 0], [0, 0, 0, 1]]
    content = {
        "camera_angle_x": 2 * math.atan(0.5 / 4.2647),
        "frames": [{"file_path": "front", "transform_matrix": matrix}],
    }
    (tmp_path / "transforms.json").write_text(json.dumps(content))
    frontal = Camera.orbit(torch.zeros(1), torch.zeros(1))
    np.testing.assert_allclose(
        read_cameras(tmp_path / "transforms.json").cam_to_world[0],
        frontal.cam_to_world[0].numpy(),
        atol=1e-6,
    )
    np.testing.assert_allclose(
        read_cameras(tmp_path / "transforms.json").intrinsics[0],
        frontal.intrinsics[0].numpy(),
        atol=1e-6,
    )


def test_colmap_files_of_other_writers_are_read(tmp_path):
    (tmp_path / "cameras.txt").write_text(
        "# a comment\n1 SIMPLE_RADIAL 100 50 120 50 25 0\n2 OPENCV 10 10 9 8 5 5 0 0 0 0\n"
    )
    lines = [
        "# comment",
        "1 1 0 0 0 0 0 2.7 1 a b.png",
        "10.5 3 -1 4 5 7",
        "",
        "2 1 0 0 0 0 0 1 2 c.png",
        "",
        "3 1 0 0 0 0 0 1 2 d.png",
    ]
    (tmp_path / "images.txt").write_text("\n".join(lines))
    cameras = read_cameras(tmp_path)
    assert cameras.names == ["a b.png", "c.png", "d.png"] and cameras.sizes.tolist() == [
        [100, 50],
        [10, 10],
        [10, 10],
    ]
    np.testing.assert_allclose(cameras.cam_to_world[0, :3, 3], [0, 0, -2.7])
    np.testing.assert_allclose(cameras.intrinsics[0], [[1.2, 0, 0.5], [0, 2.4, 0.5], [0, 0, 1]])


@pytest.mark.parametrize(
    ("file", "content", "sentence"),
    [
        (
            "transforms.json",
            {"frames": [{"file_path": "a", "transform_matrix": np.eye(4).tolist(), "fl_x": 3}]},
            "no w and h",
        ),
        (
            "transforms.json",
            {"frames": [{"transform_matrix": [[1]]}]},
            r"is \[\[1\]\]: expected a list of 4, each a list of 4",
        ),
        (
            "transforms.json",
            {"k1": 0.1, "frames": [{"transform_matrix": np.eye(4).tolist()}]},
            "distorted",
        ),
        ("dataset.json", {"labels": [["a.png", [1, 2]]]}, r"\[1, 2\]: expected a list of 25"),
        ("dataset.json", {"labels": []}, "no cameras"),
        ("dataset.json", {"labels": [["a", [0] * 25], ["a", [0] * 25]]}, "unique"),
        ("dataset.json", {"convention": "maya", "labels": []}, "maya"),
        ("dataset.json", {"pictures": []}, r"holds .*pictures.*: expected a key 'labels'"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, file, content, sentence):
    (tmp_path / file).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=sentence):
        read_cameras(tmp_path / file)


def test_what_a_format_cannot_hold_is_refused(tmp_path):
    skewed = table(1)
    skewed.intrinsics[0, 0, 1] = 0.1
    with pytest.raises(ValueError, match="skew"):
        write_cameras(tmp_path / "t.json", skewed, "nerf", size=100)
    with pytest.raises(ValueError, match="size="):
        write_cameras(tmp_path / "colmap", table(1), "colmap")
    assert not (tmp_path / "t.json").exists()


AXES = {"OpenCV": np.eye(4), "OpenGL": np.diag([1.0, -1, -1, 1])}


@pytest.mark.parametrize("direction", ["camera-to-world", "world-to-camera"])
@pytest.mark.parametrize("axes", AXES)
@pytest.mark.parametrize("up", ["y", "z"])
def test_the_convention_of_cameras_round_a_head_is_recognised(direction, axes, up):
    poses = (table(12) if up == "y" else table(12).in_world("z")).cam_to_world @ AXES[axes]
    convention = seeming_convention(
        poses if direction == "camera-to-world" else np.linalg.inv(poses)
    )
    assert (convention.direction, convention.axes, convention.up, convention.is_sure) == (
        direction,
        axes,
        up,
        True,
    )
    assert convention.looks > 0.99 and convention.distances[0] > 2


def test_a_single_frontal_camera_differs_from_one_that_looks_away_but_not_from_its_inverse():
    convention = seeming_convention(
        Camera.orbit(torch.zeros(1), torch.zeros(1)).cam_to_world.double().numpy()
    )
    assert convention.axes == "OpenCV" and not convention.is_sure


def test_cameras_about_another_point_than_the_origin_are_recognised_too():
    poses = table(12).cam_to_world
    poses[:, :3, 3] += (30, -4, 7)
    convention = seeming_convention(poses)
    assert (convention.direction, convention.axes, convention.up) == (
        "camera-to-world",
        "OpenCV",
        "y",
    )
    assert convention.target == pytest.approx((30, -3.95, 7.2), abs=0.05)


def test_labels_that_say_nothing_but_have_opengl_s_axes_are_noticed(tmp_path):
    write_cameras(tmp_path / "a.json", table(), "opengl")
    content = json.loads((tmp_path / "a.json").read_text())
    del content["convention"]
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert format_of(tmp_path / "a.json") == "eg3d" and seeming(tmp_path / "a.json")[1] == "opengl"


@pytest.mark.parametrize("change", ["scale", "mirror", "row"])
def test_matrices_that_no_camera_has_are_refused(change):
    poses = table(3).cam_to_world
    if change == "scale":
        poses[1, :3, :3] *= 2
    elif change == "mirror":
        poses[1, :3, 0] *= -1
    else:
        poses[1, 3, 0] = 1
    with pytest.raises(ValueError, match=r"camera 1 \(of 3\)"):
        seeming_convention(poses)


PINHOLE = {"w": 512, "h": 512, "fl_x": 2000.0, "camera_model": "OPENCV", "k1": 0.0}


@pytest.mark.parametrize(
    "lens",
    [
        {"camera_model": "OPENCV_FISHEYE"},
        {"camera_model": "EQUIRECTANGULAR"},
        {"camera_model": "ORTHOPHOTO"},
        {"is_fisheye": True},
        {"k5": 0.1},
        {"distortion_params": [0.2, 0.1, 0, 0]},
        {"fl_x": float("nan")},
        {"fl_x": 0.0},
        {"cx": float("inf")},
    ],
    ids=str,
)
def test_a_lens_that_is_no_pinhole_is_refused(tmp_path, lens):
    frame = {"file_path": "a.png", "transform_matrix": np.eye(4).tolist()}
    path = tmp_path / "transforms.json"
    path.write_text(json.dumps({**PINHOLE, "frames": [frame]}))
    assert len(read_cameras(path)) == 1
    path.write_text(json.dumps({**PINHOLE, **lens, "frames": [frame]}))
    with pytest.raises(ValueError, match=r"distorted lens|no pinhole|expected a (finite|positive)"):
        read_cameras(path)


def test_a_number_that_is_not_finite_is_no_camera():
    ours = table()
    ours.cam_to_world[2, 0, 3] = np.nan
    with pytest.raises(
        ValueError, match=r"'folder/view 2\.png' holds something that isn't a finite"
    ):
        CameraTable(ours.names, ours.cam_to_world, ours.intrinsics)
