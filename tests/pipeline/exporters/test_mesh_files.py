"""Exported files as other libraries read them."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image

from pipeline.exporters.colors import to_linear
from pipeline.exporters.glb import write_glb
from pipeline.exporters.mesh import Mesh, Texture
from pipeline.exporters.obj import write_obj
from pipeline.exporters.ply import write_ply
from pipeline.exporters.usdz import validation_errors, write_usdz

TETRAHEDRON = Mesh(
    vertices=np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]),
    faces=np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]),
    colors=np.float32([[0, 0, 0], [1, 0, 0], [0, 0.5, 0], [0.2, 0.4, 0.6]]),
    metres_per_unit=0.25,
)


def loaded(path):
    return trimesh.load(path, force="mesh", process=False)


def test_a_glb_is_in_metres_unlit_and_its_colours_are_linear(tmp_path):
    write_glb(tmp_path / "head.glb", TETRAHEDRON)
    found = loaded(tmp_path / "head.glb")
    assert found.vertices == pytest.approx(TETRAHEDRON.vertices / 4)
    assert (found.faces == TETRAHEDRON.faces).all()
    content = (tmp_path / "head.glb").read_bytes()
    assert TETRAHEDRON.normals().astype("<f4").tobytes() in content
    assert b'"KHR_materials_unlit":{}' in content and len(content) % 4 == 0
    colors = np.round(to_linear(TETRAHEDRON.colors) * 65535).astype("<u2")
    words = np.concatenate([colors, np.full((4, 1), 65535, "<u2")], 1)
    assert words.tobytes() in content


def test_srgb_becomes_linear_light():
    grey = to_linear(np.float32([0, 0.02, 0.5, 1]))
    assert grey == pytest.approx([0, 0.02 / 12.92, 0.21404, 1], abs=1e-5)


def test_a_ply_has_world_units_normals_and_colours(tmp_path):
    write_ply(tmp_path / "head.ply", TETRAHEDRON)
    found = loaded(tmp_path / "head.ply")
    assert found.vertices == pytest.approx(TETRAHEDRON.vertices)
    assert (found.faces == TETRAHEDRON.faces).all()
    assert found.visual.vertex_colors[3, :3].tolist() == [51, 102, 153]
    assert b"comment metres_per_unit 0.25\n" in (tmp_path / "head.ply").read_bytes()


def test_an_obj_has_colours_behind_its_coordinates(tmp_path):
    files = write_obj(tmp_path / "head.obj", TETRAHEDRON)
    assert [file.name for file in files] == ["head.obj", "head.mtl"]
    found = loaded(tmp_path / "head.obj")
    assert found.vertices == pytest.approx(TETRAHEDRON.vertices)
    lines = (tmp_path / "head.obj").read_text().splitlines()
    assert "v 0 0 1 0.2 0.4 0.6" in lines and "f 2//2 3//3 4//4" in lines


PICTURE = np.zeros((8, 8, 3), np.uint8)
PICTURE[:4, :4], PICTURE[:4, 4:], PICTURE[4:, :4] = (255, 0, 0), (0, 200, 0), (0, 0, 100)
PICTURED = replace(
    TETRAHEDRON,
    texture=Texture(np.float32([[0.25, 0.75], [0.75, 0.75], [0.25, 0.25], [0.75, 0.25]]), PICTURE),
)
SHOWN = [[255, 0, 0], [0, 200, 0], [0, 0, 100], [0, 0, 0]]
"""The picture's colour at each vertex."""


@pytest.mark.parametrize("name", ["head.glb", "head.obj"])
def test_a_picture_lies_on_the_mesh_as_other_readers_see_it(tmp_path, name):
    write = write_glb if name == "head.glb" else write_obj
    write(tmp_path / name, PICTURED)
    found = loaded(tmp_path / name)
    unit = np.abs(found.vertices).max()
    order = [np.abs(found.vertices / unit - vertex).sum(1).argmin() for vertex in PICTURED.vertices]
    assert found.visual.to_color().vertex_colors[order, :3].tolist() == SHOWN


def test_a_usdz_holds_its_picture(tmp_path):
    from pxr import Usd, UsdGeom, UsdShade

    write_usdz(tmp_path / "head.usdz", PICTURED)
    assert validation_errors(tmp_path / "head.usdz") == []
    stage = Usd.Stage.Open(str(tmp_path / "head.usdz"))
    surface = UsdGeom.Mesh(stage.GetPrimAtPath("/Head/Surface"))
    found = UsdGeom.PrimvarsAPI(surface).GetPrimvar("st").Get()
    assert np.array(found) == pytest.approx(PICTURED.texture.uv)
    file = UsdShade.Shader(stage.GetPrimAtPath("/Head/Material/Texture")).GetInput("file").Get()
    with zipfile.ZipFile(tmp_path / "head.usdz") as package:
        assert file.path.split("/")[-1] in package.namelist()
        picture = Image.open(io.BytesIO(package.read("head.png")))
    assert (np.asarray(picture) == PICTURE).all()


def test_a_usdz_is_valid_and_says_its_scale(tmp_path):
    from pxr import Usd, UsdGeom

    write_usdz(tmp_path / "head.usdz", TETRAHEDRON)
    assert validation_errors(tmp_path / "head.usdz") == []
    stage = Usd.Stage.Open(str(tmp_path / "head.usdz"))
    assert UsdGeom.GetStageMetersPerUnit(stage) == 0.25
    assert UsdGeom.GetStageUpAxis(stage) == "Y" and stage.GetDefaultPrim()
    surface = UsdGeom.Mesh(stage.GetPrimAtPath("/Head/Surface"))
    assert np.array(surface.GetPointsAttr().Get()) == pytest.approx(TETRAHEDRON.vertices)
    found = np.array(UsdGeom.PrimvarsAPI(surface).GetPrimvar("displayColor").Get())
    assert found == pytest.approx(to_linear(TETRAHEDRON.colors))


def test_the_validator_finds_a_stage_without_a_default_prim(tmp_path):
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateNew(str(tmp_path / "bad.usdc"))
    UsdGeom.Mesh.Define(stage, "/Surface")
    stage.Save()
    assert any("defaultPrim" in error for error in validation_errors(tmp_path / "bad.usdc"))
