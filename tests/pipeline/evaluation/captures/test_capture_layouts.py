import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.evaluation.captures.capture_crop import PixelCamera, Square, depth_of_points
from pipeline.evaluation.captures.captures import find_captures
from pipeline.evaluation.captures.h3ds import H3dsCaptures, points_of_mesh
from pipeline.evaluation.captures.nersemble import NERSEMBLE_SIZE, NersembleCaptures
from pipeline.evaluation.items import SuiteContext
from pipeline.evaluation.suite_files import read_manifest
from teachers.rendering.camera import Camera
from teachers.toy import ToyTeacher

CONTEXT = SuiteContext(passport=ToyTeacher().passport)
HEAD = torch.tensor([0.1, 1.5, -0.2], dtype=torch.float64)
"""Where the heads of these data sets are, metres."""


def cameras(distance: float = 1.0) -> torch.Tensor:
    """Camera-to-world matrices about the head."""
    orbit = Camera.orbit(
        torch.tensor([0.0, 0.5, -0.6]), torch.tensor([0.0, 0.1, 0.2]), radius=distance
    ).cam_to_world.double()
    orbit[:, :3, 3] += HEAD
    return orbit


def photograph(pose: torch.Tensor, matrix: torch.Tensor, width: int, height: int) -> Image.Image:
    """Grey with a red patch where the head is."""
    local = torch.linalg.inv(pose) @ torch.cat([HEAD, torch.ones(1, dtype=torch.float64)])
    x, y = ((matrix @ local[:3])[:2] / local[2]).round().int().tolist()
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels[y - 8 : y + 8, x - 8 : x + 8] = (255, 0, 0)
    return Image.fromarray(pixels)


def shows_the_head_in_its_middle(folder, radius: float):
    (capture,) = find_captures(folder)
    positions, distances = capture.camera.project(HEAD.float().expand(3, 1, 3))
    assert (positions - 0.5).abs().max() < 0.02 and torch.allclose(
        distances, torch.tensor(radius), atol=1e-3
    )
    image = capture.load().image
    middle, corner = image[:, :, 15:17, 15:17], image[:, :, :2, :2]
    assert (middle[:, 0] > 0.8).all() and (middle[:, 1] < -0.5).all() and (corner.abs() < 0.1).all()
    return capture


@pytest.mark.parametrize("version", ["frame_00003", "timesteps/frame_00003"])
def test_a_participant_of_nersemble_becomes_a_capture(tmp_path, version):
    subject, scale = tmp_path / "data" / "017", 20
    width, height = NERSEMBLE_SIZE[0] // scale, NERSEMBLE_SIZE[1] // scale
    full = torch.tensor([[8200.0, 0, 1100], [0, 8200, 1604], [0, 0, 1]], dtype=torch.float64)
    small = torch.diag(torch.tensor([1 / scale, 1 / scale, 1], dtype=torch.float64)) @ full
    moment = subject / "sequences" / "EXP-1-head" / version
    for kind in ("images-2x", "alpha_map", "colmap/depth_maps_geometric/12"):
        (moment / kind).mkdir(parents=True)
    poses = dict(zip(["222200037", "222200040", "222200041"], cameras(), strict=True))
    for serial, pose in poses.items():
        photograph(pose, small, width, height).save(moment / "images-2x" / f"cam_{serial}.png")
        Image.fromarray(np.full((height, width), 255, np.uint8)).save(
            moment / "alpha_map" / f"cam_{serial}.png"
        )
        np.savez(
            moment / "colmap/depth_maps_geometric/12" / f"cam_{serial}.npz",
            depth_map=np.full((height, width), 1.0, np.float32),
        )
    calibration = {
        "intrinsics": full.tolist(),
        "world_2_cam": {serial: torch.linalg.inv(pose).tolist() for serial, pose in poses.items()},
    }
    calibration["world_2_cam"]["000000000"] = torch.eye(4).tolist()  # a camera without a picture
    (subject / "camera_params.json").write_text(json.dumps(calibration))
    NersembleCaptures(
        path=str(tmp_path / "data"), frame=3, given="222200040", resolution=32
    ).export(tmp_path / "captures", CONTEXT)
    capture = shows_the_head_in_its_middle(tmp_path / "captures", 1.0)
    assert [frame.image for frame in capture.frames] == [
        "cam_222200040.png",
        "cam_222200037.png",
        "cam_222200041.png",
    ]
    depth = capture.load().depth
    assert (
        depth[:, :, 16, 16].sub(1).abs().max() < 1e-3 and (depth[:, :, 0, 0] > 1.001).all()
    )  # from the centre, not along the axis
    assert "NeRSemble" in read_manifest(tmp_path / "captures")["licence"]
    with pytest.raises(ValueError, match="given view cam_1"):
        NersembleCaptures(path=str(tmp_path / "data"), frame=3, given="1", resolution=32).export(
            tmp_path / "other", CONTEXT
        )


def test_a_scene_of_h3ds_becomes_a_capture_with_the_depth_of_its_scan(tmp_path):
    scene = tmp_path / "data" / "1b2a8613401e42a8"
    for kind in ("image", "mask"):
        (scene / kind).mkdir(parents=True)
    matrix = torch.tensor([[600.0, 0, 128], [0, 600, 100], [0, 0, 1]], dtype=torch.float64)
    mats = {}
    for number, pose in enumerate(cameras()):
        photograph(pose, matrix, 256, 200).save(
            scene / "image" / f"img_{number:04d}.jpg", quality=100, subsampling=0
        )
        Image.fromarray(np.full((200, 256), 255, np.uint8)).save(
            scene / "mask" / f"mask_{number:04d}.png"
        )
        world = torch.eye(4, dtype=torch.float64)
        world[:3] = -2 * matrix @ torch.linalg.inv(pose)[:3]  # a projection is known up to a factor
        mats[f"world_mat_{number}"] = world.numpy()
    np.savez(scene / "cameras.npz", **mats)
    (scene / "full_head.obj").write_text(ball(0.12))
    H3dsCaptures(path=str(tmp_path / "data"), width=0.2, resolution=32).export(
        tmp_path / "captures", CONTEXT
    )
    capture = shows_the_head_in_its_middle(tmp_path / "captures", 1.0)
    assert capture.load().depth[:, 0, 16, 16].sub(0.88).abs().max() < 3e-3


def ball(radius: float) -> str:
    rows, columns = 24, 48
    lines = []
    for row in range(rows + 1):
        for column in range(columns):
            polar, around = math.pi * row / rows, 2 * math.pi * column / columns
            x, y, z = (
                radius * value
                for value in (
                    math.sin(polar) * math.cos(around),
                    math.cos(polar),
                    math.sin(polar) * math.sin(around),
                )
            )
            lines.append(f"v {x + HEAD[0]:.6f} {y + HEAD[1]:.6f} {z + HEAD[2]:.6f}")
    for row in range(rows):
        for column in range(columns):
            corners = [row * columns + column, row * columns + (column + 1) % columns]
            lines.append(
                "f "
                + " ".join(
                    f"{corner + 1}/1/1"
                    for corner in (*corners, corners[1] + columns, corners[0] + columns)
                )
            )
    return "\n".join(lines)


def test_the_points_of_a_mesh_lie_on_it_and_the_nearest_are_seen(tmp_path):
    (tmp_path / "ball.obj").write_text(ball(0.12))
    points = points_of_mesh(tmp_path / "ball.obj", points=20_000)
    assert (points.double() - HEAD).norm(dim=-1).sub(0.12).abs().max() < 2e-3
    camera = Camera(
        cameras()[:1].float(), torch.tensor([[[4.0, 0, 0.5], [0, 4.0, 0.5], [0, 0, 1]]])
    )
    depth = depth_of_points(points, camera, 16)
    assert depth[0, 8, 8] == pytest.approx(0.88, abs=3e-3) and depth[0, 0, 0] == 0


def test_a_projection_matrix_gives_its_camera_back_and_a_singular_one_is_refused():
    matrix = torch.tensor([[600.0, 2, 128], [0, 610, 100], [0, 0, 1]], dtype=torch.float64)
    for pose, factor in zip(cameras(), (1.0, -3.0, 0.2), strict=True):
        found = PixelCamera.of_projection((factor * matrix @ torch.linalg.inv(pose)[:3]).numpy())
        assert torch.allclose(found.matrix, matrix, atol=1e-6) and torch.allclose(
            found.cam_to_world, pose, atol=1e-6
        )
    with pytest.raises(ValueError, match="singular"):
        PixelCamera.of_projection(np.zeros((3, 4)))


def test_a_square_may_reach_outside_and_sees_what_the_photograph_saw():
    camera = PixelCamera(
        torch.tensor([[100.0, 0, 20], [0, 100, 20], [0, 0, 1]], dtype=torch.float64),
        torch.eye(4, dtype=torch.float64),
    )
    square = Square.about(camera, torch.tensor([0.0, 0.0, 2.0]), 1.0)
    assert (square.left, square.top, square.size) == (-5, -5, 50)
    position, _ = square.camera(camera).project(torch.tensor([[[0.1, 0.0, 2.0]]]))
    assert position[0, 0].tolist() == pytest.approx(
        [0.6, 0.5]
    )  # pixel 25 of the photograph, 30 of the square
    ramp = torch.arange(40.0).expand(1, 40, 40)
    assert torch.equal(
        square.cut(ramp, 50, is_mixed=False)[0, 0, :6], torch.tensor([0.0, 0, 0, 0, 0, 0])
    )
    with pytest.raises(ValueError, match="behind a camera"):
        Square.about(camera, torch.tensor([0.0, 0.0, -2.0]), 1.0)
