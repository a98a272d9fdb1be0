"""USDZ: a mesh in world units with `metersPerUnit`, y up, its colours as emission (unlit)."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.runs.files import replaced_file

from .colors import to_linear
from .mesh import Mesh


def write_usdz(path: Path, mesh: Mesh) -> None:
    """Writes the package and checks it by UsdValidation; it appears whole or not at all.

    Raises:
        ValueError: the check finds an error.
    """
    from pxr import Sdf, UsdUtils

    with tempfile.TemporaryDirectory() as folder, replaced_file(path) as temporary:
        layer, package = Path(folder, "head.usdc"), Path(folder, "head.usdz")
        if mesh.texture is not None:
            Image.fromarray(mesh.texture.image).save(Path(folder, "head.png"))
        _stage(layer, mesh)
        if not UsdUtils.CreateNewUsdzPackage(Sdf.AssetPath(str(layer)), str(package)):
            raise ValueError(f"{path}: the USD library can't write the package")
        if errors := validation_errors(package):
            raise ValueError(f"{path} isn't valid: " + "; ".join(errors))
        temporary.write_bytes(package.read_bytes())


def validation_errors(path: Path) -> list[str]:
    """What UsdValidation finds in a file, one sentence each."""
    from pxr import Usd, UsdValidation

    registry = UsdValidation.ValidationRegistry()
    context = UsdValidation.ValidationContext(registry.GetOrLoadAllValidators())
    return [str(error.GetMessage()) for error in context.Validate(Usd.Stage.Open(str(path)))]


def _stage(path: Path, mesh: Mesh) -> None:
    from pxr import Sdf, Usd, UsdGeom, UsdShade, Vt

    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, mesh.metres_per_unit)
    root = UsdGeom.Xform.Define(stage, "/Head")
    stage.SetDefaultPrim(root.GetPrim())
    shape = UsdGeom.Mesh.Define(stage, "/Head/Surface")
    shape.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(mesh.vertices.astype(np.float32)))
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, np.int32)))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(mesh.faces.ravel().astype(np.int32)))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    shape.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(mesh.normals()))
    shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    ends = np.stack([mesh.vertices.min(0), mesh.vertices.max(0)]).astype(np.float32)
    shape.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(ends))
    primvars = UsdGeom.PrimvarsAPI(shape)
    color = primvars.CreatePrimvar(
        "displayColor", Sdf.ValueTypeNames.Color3fArray, UsdGeom.Tokens.vertex
    )
    color.Set(Vt.Vec3fArray.FromNumpy(to_linear(mesh.colors)))
    material = UsdShade.Material.Define(stage, "/Head/Material")
    surface = _shader(stage, "Surface", "UsdPreviewSurface")
    material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set((0.0, 0.0, 0.0))
    surface.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(1.0)
    emission = surface.CreateInput("emissiveColor", Sdf.ValueTypeNames.Color3f)
    if mesh.texture is None:
        reader = _reader(stage, "Color", "UsdPrimvarReader_float3", "displayColor")
        output = reader.CreateOutput("result", Sdf.ValueTypeNames.Float3)
    else:
        uv = primvars.CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex)
        uv.Set(Vt.Vec2fArray.FromNumpy(mesh.texture.uv.astype(np.float32)))
        place = _reader(stage, "Place", "UsdPrimvarReader_float2", "st")
        texture = _shader(stage, "Texture", "UsdUVTexture")
        texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath("./head.png"))
        texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("sRGB")
        for side in ("wrapS", "wrapT"):
            texture.CreateInput(side, Sdf.ValueTypeNames.Token).Set("clamp")
        texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(
            place.CreateOutput("result", Sdf.ValueTypeNames.Float2)
        )
        output = texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
    emission.ConnectToSource(output)
    UsdShade.MaterialBindingAPI.Apply(shape.GetPrim()).Bind(material)
    stage.Save()


def _shader(stage: Any, name: str, kind: str) -> Any:
    from pxr import UsdShade

    shader = UsdShade.Shader.Define(stage, f"/Head/Material/{name}")
    shader.CreateIdAttr(kind)
    return shader


def _reader(stage: Any, name: str, kind: str, primvar: str) -> Any:
    from pxr import Sdf

    reader = _shader(stage, name, kind)
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set(primvar)
    return reader
