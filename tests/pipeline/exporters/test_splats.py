"""Gaussian splats: the file, and pictures of it by a reference renderer and by a viewer of npm."""

import math

import numpy as np
import pytest
import torch

from pipeline.exporters.mesh import METRES_PER_UNIT, Mesh
from pipeline.exporters.splats import (
    Splats,
    SplatSettings,
    surface_splats,
    turns_to,
    write_splat_ply,
)
from teachers.kernels import use_kernels
from teachers.rendering.camera import Camera
from tests.browser import IN_BROWSER
from tests.npm import splat_viewer, three_js

from .drawing import psnr
from .splatting import read_splats, rendered, stacked, turned
from .web_drawing import web_drawing

SIZE = 192


@pytest.fixture(scope="module")
def file(mesh, tmp_path_factory):
    path = tmp_path_factory.mktemp("splats") / "head_splats.ply"
    write_splat_ply(path, surface_splats(mesh, 0.8 / 96))
    return path


@pytest.fixture(scope="module")
def view(head, cameras):
    """The field's own picture from 34°."""
    renderer = head.lifter.renderer.changed(resolution=SIZE)
    with torch.no_grad(), use_kernels("fast"):
        image = renderer(head.triplane, cameras[4:5]).image[0]
    return np.moveaxis((image.numpy() + 1) / 2, 0, 2)


def disc(**changes):
    """One disc that looks to +x, half a unit above the origin."""
    fields = {
        "centers": np.float32([[0.1, 0.5, 0.2]]),
        "normals": np.float32([[1, 0, 0]]),
        "colors": np.float32([[0, 0.5, 1]]),
        "radius": 0.04,
        "thickness": 0.01,
        "opacity": 0.8,
        "metres_per_unit": 0.5,
    }
    return Splats(**{**fields, **changes})


def test_the_file_has_logs_logits_and_turns_in_metres_with_y_down(tmp_path):
    write_splat_ply(tmp_path / "a.ply", disc())
    rows = read_splats(tmp_path / "a.ply")
    assert stacked(rows, "x", "y", "z")[0] == pytest.approx([0.05, -0.25, -0.1])
    scales = np.exp(stacked(rows, "scale_0", "scale_1", "scale_2")[0])
    assert scales == pytest.approx([0.02, 0.02, 0.005])
    assert rows["opacity"][0] == pytest.approx(math.log(4))
    colors = stacked(rows, "f_dc_0", "f_dc_1", "f_dc_2")[0] / (2 * math.sqrt(math.pi)) + 0.5
    assert colors == pytest.approx([0, 0.5, 1], abs=1e-6)
    assert turned(rows)[0] @ [0, 0, 1] == pytest.approx([1, 0, 0], abs=1e-6)


def test_turns_take_z_to_the_normal_and_are_unit_quaternions():
    normals = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[:3] = [[0, 0, 1], [0, 0, -1], [1e-4, 0, -1]]
    quaternions = turns_to(normals)
    assert np.linalg.norm(quaternions, axis=1) == pytest.approx(1)
    names = ("rot_0", "rot_1", "rot_2", "rot_3")
    rows = np.rec.fromarrays(quaternions.T, names=names)
    assert turned(rows)[:, :, 2] == pytest.approx(normals, abs=2e-4)


def test_the_reference_renderer_draws_a_ball_as_its_closed_form(tmp_path):
    """An isotropic Gaussian in the middle of the view has the variance (f σ / z)² + 0.3 pixels²."""
    ball = disc(centers=np.zeros((1, 3), np.float32), thickness=0.04)
    write_splat_ply(tmp_path / "a.ply", ball)
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1), radius=2.0, focal=3.0)
    picture, covered = rendered(read_splats(tmp_path / "a.ply"), camera, 65, 0.5)
    variance = (3 * 65 * 0.04 / 2) ** 2 + 0.3
    assert covered[32, 32] == pytest.approx(0.8)
    assert covered[32, 38] == pytest.approx(0.8 * math.exp(-18 / variance), rel=1e-4)
    assert picture[32, 32] == pytest.approx([0.2, 0.6, 1])


def test_splats_drawn_by_the_reference_renderer_are_the_rendered_field(file, cameras, view):
    assert np.isfinite(np.array(read_splats(file).tolist())).all()
    picture, _ = rendered(read_splats(file), cameras[4:5], SIZE, METRES_PER_UNIT)
    assert psnr(picture, view) > 26


def test_discs_on_the_surface_itself_make_the_head_too_large(
    mesh, cameras, view, tmp_path, monkeypatch
):
    monkeypatch.setattr("pipeline.exporters.splats.DEPTH", 0)
    write_splat_ply(tmp_path / "a.ply", surface_splats(mesh, 0.8 / 96))
    rows = read_splats(tmp_path / "a.ply")
    assert psnr(rendered(rows, cameras[4:5], SIZE, METRES_PER_UNIT)[0], view) < 24


@pytest.mark.browser
@IN_BROWSER[1]
def test_a_public_viewer_draws_the_file_as_the_reference_renderer(file, head, cameras):
    with web_drawing("splat_page.html", {**three_js(), **splat_viewer()}) as draw:
        content, camera = file.read_bytes(), cameras[0:1]
        picture = draw("head.ply", content, camera, head.passport.focal, SIZE)
    own, _ = rendered(read_splats(file), camera, SIZE, METRES_PER_UNIT)
    # the viewer cuts splats at √8 σ, the reference where alpha is 1/255
    assert psnr(picture, own) > 36


def test_a_vertex_is_a_disc_below_the_surface():
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]), np.eye(3, dtype=np.float32))
    splats = surface_splats(mesh, 0.1)
    out = (mesh.vertices - splats.centers) @ (np.ones(3) / math.sqrt(3))
    assert out == pytest.approx(0.05)
    assert splats.radius > 3 * splats.thickness


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"splats\.resolution is 4"):
        SplatSettings(resolution=4)
