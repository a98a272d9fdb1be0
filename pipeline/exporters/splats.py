"""Gaussian splats of a surface (Kerbl et al. 2023): flat discs along the mesh.

A splat is a Gaussian in space; a renderer projects it (EWA, Zwicker et al. 2001) and blends front
to back. The discs touch the surface from inside: what they add outside a silhouette, by their own
width and by the low-pass filter that every renderer adds (0.3 px²), makes up for it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from pipeline.runs.files import write_bytes

from .mesh import Mesh
from .ply import header_of

RADIUS, THICKNESS, DEPTH, OPACITY = 0.5, 0.15, 0.5, 0.8
"""Standard deviations along the surface and along its normal, and how deep the centres lie, in
spacings of the mesh; opacity. Chosen on training puppets drawn at 256² and 512² (docs/export.md).
"""

SH_DEGREE_0 = 0.28209479177387814
"""1 / (2 √π): the constant spherical harmonic, by which 3DGS files divide colours."""

FIELDS = (
    *("x", "y", "z", "nx", "ny", "nz"),
    *("f_dc_0", "f_dc_1", "f_dc_2", "opacity", "scale_0", "scale_1", "scale_2"),
    *("rot_0", "rot_1", "rot_2", "rot_3"),
)
VERTEX = np.dtype([(name, "<f4") for name in FIELDS])
DOWN = np.array([1, -1, -1], np.float32)
"""World axes → those of 3DGS files: y down, the face looks along -z (a turn about x)."""


@dataclass(frozen=True)
class SplatSettings:
    """How splats are made.

    Attributes:
        resolution: samples along a side of the box of the mesh that they come from. Splats a
            fraction of a pixel wide make a head larger than it is, since renderers widen each by
            0.55 pixels: more of them need larger pictures.
        refine: steps of `splat_refinement`; 0: the splats are those of the mesh.

    Raises:
        ValueError: one of them is out of range.
    """

    resolution: int = 128
    refine: int = 60

    def __post_init__(self) -> None:
        if not 8 <= self.resolution <= 1024:
            raise ValueError(f"splats.resolution is {self.resolution}: give 8 to 1024")
        if not 0 <= self.refine <= 10_000:
            raise ValueError(f"splats.refine is {self.refine}: give 0 to 10000 steps")


@dataclass(frozen=True)
class Splats:
    """Discs in world axes: y up, the face looks along +z.

    Attributes:
        centers: world units.
        normals: unit vectors.
        colors: sRGB in [0, 1]; renderers blend them as they are.
        radius, thickness: standard deviations along each disc and along its normal, world units.
        opacity: of the middle, in (0, 1).
        metres_per_unit: metres in a world unit.
    """

    centers: Float[np.ndarray, "splat 3"]
    normals: Float[np.ndarray, "splat 3"]
    colors: Float[np.ndarray, "splat 3"]
    radius: Float[np.ndarray, " splat"]
    thickness: Float[np.ndarray, " splat"]
    opacity: Float[np.ndarray, " splat"]
    metres_per_unit: float


def surface_splats(mesh: Mesh, spacing: float) -> Splats:
    """A disc for each vertex.

    Args:
        mesh: as marching cubes makes it; a decimated one has holes between its discs.
        spacing: of the grid that it comes from, world units.
    """
    normals = mesh.normals()
    same = np.ones(len(normals), np.float32)
    return Splats(
        centers=(mesh.vertices - DEPTH * spacing * normals).astype(np.float32),
        normals=normals,
        colors=mesh.colors,
        radius=same * RADIUS * spacing,
        thickness=same * THICKNESS * spacing,
        opacity=same * OPACITY,
        metres_per_unit=mesh.metres_per_unit,
    )


def write_splat_ply(path: Path, splats: Splats) -> None:
    """Writes the PLY of 3DGS: metres, y down, log scales, logits of opacities, unit quaternions
    (w first), colours as spherical harmonics of degree 0 (no f_rest).
    """
    rows = np.empty(len(splats.centers), VERTEX)
    normals = splats.normals * DOWN
    scale = splats.metres_per_unit
    columns = {
        "xyz": splats.centers * DOWN * scale,
        "n": normals,
        "f_dc": (splats.colors - 0.5) / SH_DEGREE_0,
        "opacity": np.log(splats.opacity / (1 - splats.opacity))[:, None],
        "scale": np.log(np.stack([splats.radius, splats.radius, splats.thickness], 1) * scale),
        "rot": turns_to(normals),
    }
    table = np.concatenate([*columns.values()], 1)
    for name, column in zip(FIELDS, table.T, strict=True):
        rows[name] = column
    comments = ["3D Gaussian splats, spherical harmonics of degree 0", "metres, y down"]
    write_bytes(path, header_of(rows, comments, []) + rows.tobytes())


def turns_to(normals: Float[np.ndarray, "splat 3"]) -> Float[np.ndarray, "splat 4"]:
    """Unit quaternions (w x y z) of the shortest turns of +z to unit vectors."""
    x, y, z = normals.T.astype(np.float64)
    quaternions = np.stack([1 + z, -y, x, np.zeros_like(x)], 1)
    quaternions[z < -1 + 1e-12] = [0, 1, 0, 0]  # half a turn about any axis
    length = np.linalg.norm(quaternions, axis=1, keepdims=True)
    return (quaternions / length).astype(np.float32)
