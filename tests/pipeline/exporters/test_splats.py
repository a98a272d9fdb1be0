"""Gaussian splats: the file, and pictures of it by a reference renderer and by a viewer of npm."""

import gzip
import math
import struct

import numpy as np
import pytest
import torch

from pipeline.exporters.mesh import METRES_PER_UNIT, Mesh
from pipeline.exporters.splat_drawing import draw_discs
from pipeline.exporters.splat_refinement import refined
from pipeline.exporters.splats import (
    Splats,
    SplatSettings,
    surface_splats,
    turns_to,
    write_splat_ply,
)
from pipeline.exporters.spz import write_spz
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
        "radius": np.float32([0.04]),
        "thickness": np.float32([0.01]),
        "opacity": np.float32([0.8]),
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
    ball = disc(centers=np.zeros((1, 3), np.float32), thickness=np.float32([0.04]))
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
    file, mesh, cameras, view, tmp_path, monkeypatch
):
    """Sunk, as `surface_splats` has them, they are nearer to the field by decibels."""
    monkeypatch.setattr("pipeline.exporters.splats.DEPTH", 0)
    write_splat_ply(tmp_path / "a.ply", surface_splats(mesh, 0.8 / 96))
    on_it, sunk = (
        psnr(rendered(read_splats(path), cameras[4:5], SIZE, METRES_PER_UNIT)[0], view)
        for path in (tmp_path / "a.ply", file)
    )
    assert on_it < sunk - 4


@pytest.mark.browser
@IN_BROWSER[1]
def test_a_public_viewer_draws_both_files_as_the_reference_renderer(
    file, mesh, head, cameras, tmp_path
):
    write_spz(tmp_path / "head.spz", surface_splats(mesh, 0.8 / 96))
    camera = cameras[0:1]
    own, _ = rendered(read_splats(file), camera, SIZE, METRES_PER_UNIT)
    with web_drawing("splat_page.html", {**three_js(), **splat_viewer()}) as draw:
        # the viewer cuts splats at √8 σ, the reference where alpha is 1/255
        for path, least in ((file, 36), (tmp_path / "head.spz", 33)):
            name = f"head{path.suffix}"
            picture = draw(name, path.read_bytes(), camera, head.passport.focal, SIZE)
            assert psnr(picture, own) > least


def discs_of(splats, dtype=torch.float32):
    names = ("centers", "normals", "colors", "radius", "thickness", "opacity")
    return {name: torch.from_numpy(getattr(splats, name)).to(dtype) for name in names}


def test_the_drawing_with_gradients_is_the_reference_renderers(mesh, file, cameras):
    camera = Camera(cameras[4:5].cam_to_world.double(), cameras[4:5].intrinsics.double())
    discs = discs_of(surface_splats(mesh, 0.8 / 96), torch.float64)
    picture, through = draw_discs(discs, camera, 96)
    expected, covered = rendered(read_splats(file), cameras[4:5], 96, METRES_PER_UNIT, 0.0)
    # Behind a disc that would leave less than 1e-4 of the light the reference goes on with fainter
    # ones; before it there was at most 1e-4 / (1 - 0.8).
    assert np.abs(picture.numpy() - expected).max() < 5e-4
    assert np.abs(1 - through.numpy() - covered).max() < 5e-4


def test_the_gradients_are_those_of_the_drawing():
    generator = np.random.default_rng(1)
    normals = generator.normal(size=(6, 3))
    splats = disc(
        centers=generator.uniform(-0.1, 0.1, (6, 3)).astype(np.float32),
        normals=(normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32),
        colors=generator.uniform(0, 1, (6, 3)).astype(np.float32),
        radius=generator.uniform(0.05, 0.1, 6).astype(np.float32),
        thickness=generator.uniform(0.01, 0.03, 6).astype(np.float32),
        opacity=generator.uniform(0.3, 0.9, 6).astype(np.float32),
    )
    discs = discs_of(splats, torch.float64)
    normals = discs.pop("normals")
    camera = Camera.orbit(torch.zeros(1), torch.zeros(1), radius=2.0, focal=3.0)
    camera = Camera(camera.cam_to_world.double(), camera.intrinsics.double())

    def drawn(*values):
        named = dict(zip(discs, values, strict=True))
        return draw_discs({**named, "normals": normals}, camera, 10)

    given = [value.requires_grad_() for value in discs.values()]
    assert torch.autograd.gradcheck(drawn, given, atol=1e-5)


def test_refined_splats_are_nearer_to_the_field_from_where_it_was_not_drawn(
    mesh, head, cameras, views
):
    splats = surface_splats(mesh, 0.8 / 96)
    with use_kernels("fast"):
        fitted = refined(
            splats,
            head,
            spacing=0.8 / 96,
            steps=12,
            sizes=(96,),
            angles=((-40, 0), (0, 12), (40, 0)),
        )
    for row in (1, 4):
        before, after = (
            draw_discs(discs_of(each), cameras[row : row + 1], 128) for each in (splats, fitted)
        )
        found = [psnr((one + left[..., None]).numpy(), views[row]) for one, left in (before, after)]
        assert found[1] > found[0] + 0.7
    assert ((fitted.opacity > 0) & (fitted.opacity < 1)).all()
    assert ((fitted.colors >= 0) & (fitted.colors <= 1)).all()


def test_the_spz_of_one_disc_has_the_bytes_of_its_specification(tmp_path):
    """github.com/nianticlabs/spz, version 2."""
    write_spz(tmp_path / "a.spz", disc())
    content = gzip.decompress((tmp_path / "a.spz").read_bytes())
    magic, version, count, degree, bits, flags, reserved = struct.unpack("<4sIIBBBB", content[:16])
    assert (magic, version, count) == (b"NGSP", 2, 1)
    assert (degree, bits, flags, reserved) == (0, 16, 0, 0)
    body = content[16:]
    assert len(body) == 9 + 1 + 3 + 3 + 3
    place = [int.from_bytes(body[3 * i : 3 * i + 3], "little", signed=True) for i in range(3)]
    assert np.array(place) / 2**16 == pytest.approx([0.05, 0.25, 0.1], abs=2**-17)
    assert body[9] / 255 == pytest.approx(0.8, abs=1 / 510)
    coefficients = (np.array([*body[10:13]]) / 255 - 0.5) / 0.15
    assert coefficients / (2 * math.sqrt(math.pi)) + 0.5 == pytest.approx([0, 0.5, 1], abs=0.004)
    scales = np.exp(np.array([*body[13:16]]) / 16 - 10)
    assert scales == pytest.approx([0.02, 0.02, 0.005], rel=0.032)
    x, y, z = np.array([*body[16:19]]) / 127.5 - 1
    assert [x, y, z] == pytest.approx([0, math.sqrt(0.5), 0], abs=0.005)


def test_a_disc_that_looks_back_is_stored_by_its_other_normal(tmp_path):
    """Near w = 0 eight bits of x, y and z would leave ten degrees open."""
    back = np.float32([[0.02, 0.01, -1]]) / math.sqrt(1.0005)
    write_spz(tmp_path / "a.spz", disc(normals=back.astype(np.float32)))
    content = gzip.decompress((tmp_path / "a.spz").read_bytes())
    x, y, z = np.array([*content[-3:]]) / 127.5 - 1
    w = math.sqrt(1 - x * x - y * y - z * z)
    normal = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    assert normal == pytest.approx(-back[0], abs=0.01)


def test_a_head_too_large_for_24_bits_is_refused(tmp_path):
    with pytest.raises(ValueError, match="doesn't fit into"):
        write_spz(tmp_path / "a.spz", disc(metres_per_unit=1e8))


def test_a_vertex_is_a_disc_below_the_surface():
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]]), np.eye(3, dtype=np.float32))
    splats = surface_splats(mesh, 0.1)
    out = (mesh.vertices - splats.centers) @ (np.ones(3) / math.sqrt(3))
    assert out == pytest.approx(0.05)
    assert (splats.radius > 3 * splats.thickness).all()


def test_settings_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"splats\.resolution is 4"):
        SplatSettings(resolution=4)
    with pytest.raises(ValueError, match=r"splats\.refine is -1"):
        SplatSettings(refine=-1)
