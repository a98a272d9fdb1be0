"""PLY: world units, normals, 8-bit sRGB colours of the vertices, binary."""

from pathlib import Path

import numpy as np

from pipeline.runs.files import write_bytes

from .mesh import Mesh

VERTEX = np.dtype(
    [(name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz")]
    + [(name, "u1") for name in ("red", "green", "blue")]
)
FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
NAMES = {"<f4": "float", "|u1": "uchar"}


def write_ply(path: Path, mesh: Mesh) -> None:
    """Writes the mesh with its vertices' colours (a texture isn't part of a PLY)."""
    vertices = np.empty(len(mesh.vertices), VERTEX)
    numbers = np.concatenate([mesh.vertices, mesh.normals()], 1)
    for column, name in enumerate(("x", "y", "z", "nx", "ny", "nz")):
        vertices[name] = numbers[:, column]
    colors = np.round(mesh.colors * 255).astype(np.uint8)
    for column, name in enumerate(("red", "green", "blue")):
        vertices[name] = colors[:, column]
    faces = np.empty(len(mesh.faces), FACE)
    faces["count"], faces["corners"] = 3, mesh.faces
    header = header_of(
        vertices,
        [f"metres_per_unit {mesh.metres_per_unit:.6g}", "y up, the face looks along +z"],
        [f"element face {len(faces)}", "property list uchar int vertex_indices"],
    )
    write_bytes(path, header + vertices.tobytes() + faces.tobytes())


def header_of(vertices: np.ndarray, comments: list[str], more: list[str]) -> bytes:
    """The header of a binary PLY whose vertices are a structured array."""
    kinds = [(name, vertices.dtype[name].str) for name in vertices.dtype.names or ()]
    lines = [
        "ply",
        "format binary_little_endian 1.0",
        "comment written by trilift",
        *(f"comment {comment}" for comment in comments),
        f"element vertex {len(vertices)}",
        *(f"property {NAMES[kind]} {name}" for name, kind in kinds),
        *more,
        "end_header",
    ]
    return ("\n".join(lines) + "\n").encode()
