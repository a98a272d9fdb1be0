"""Exported files as other libraries read them."""

import numpy as np
import pytest
import trimesh

from pipeline.exporters.colors import to_linear
from pipeline.exporters.glb import write_glb
from pipeline.exporters.mesh import Mesh
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
