"""Meshes of a scene, and how they are made: spheres, tubes, and shells about the head."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .part import Part
from .rasterizer import vertex_normals
from .vectors import crossed, unit

Array = np.ndarray


@dataclass(frozen=True)
class Mesh:
    """Triangles of the scene.

    Attributes:
        vertices: `[vertex 3]`, world units.
        triangles: `[triangle 3]`.
        part: `[triangle]`: `Part` numbers.
        rest: `[vertex 3]`: where textures live.
        cut: `[vertex]`: there is a hole where its interpolation is negative.
        masks: `[vertex 4]`: of `Surface`.
    """

    vertices: Array
    triangles: Array
    part: Array
    rest: Array
    cut: Array
    masks: Array

    @classmethod
    def of(
        cls,
        vertices: Array,
        triangles: Array,
        part: Part | Array,
        rest: Array | None = None,
        cut: Array | None = None,
        masks: Array | None = None,
    ) -> "Mesh":
        """With nothing cut and no masks unless given."""
        count = len(vertices)
        return cls(
            np.ascontiguousarray(vertices, np.float32),
            np.ascontiguousarray(triangles, np.int32),
            np.full(len(triangles), int(part), np.int8) if isinstance(part, Part) else part,
            np.ascontiguousarray(vertices if rest is None else rest, np.float32),
            np.ones(count, np.float32) if cut is None else cut.astype(np.float32),
            np.zeros((count, 4), np.float32) if masks is None else masks.astype(np.float32),
        )

    def normals(self) -> Array:
        """Unit normals `[vertex 3]`."""
        return vertex_normals(self.vertices, self.triangles)


def joined(meshes: list[Mesh]) -> Mesh:
    """One mesh of several."""
    first = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    triangles = [mesh.triangles + start for mesh, start in zip(meshes, first, strict=True)]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(triangles).astype(np.int32),
        np.concatenate([mesh.part for mesh in meshes]),
        np.concatenate([mesh.rest for mesh in meshes]),
        np.concatenate([mesh.cut for mesh in meshes]),
        np.concatenate([mesh.masks for mesh in meshes]),
    )


@cache
def grid_triangles(rows: int, columns: int, is_closed: bool) -> Array:
    """Triangles of a grid of vertices, row by row; closed: the last column meets the first."""
    row, column = np.meshgrid(
        np.arange(rows - 1), np.arange(columns if is_closed else columns - 1), indexing="ij"
    )
    after = (column + 1) % columns
    a, b = row * columns + column, row * columns + after
    c, d = a + columns, b + columns
    quads = np.stack([a, c, b, b, c, d], -1).reshape(-1, 3)
    return quads.astype(np.int32)


@cache
def unit_sphere(rows: int = 18, columns: int = 26) -> tuple[Array, Array]:
    """Vertices `[vertex 3]` and triangles of the unit sphere; its poles lie on the z axis."""
    polar = np.linspace(0, np.pi, rows)[:, None]
    angle = np.arange(columns)[None] * 2 * np.pi / columns
    points = np.stack(
        [np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle),
         np.broadcast_to(np.cos(polar), (rows, columns))], -1,
    )  # fmt: skip
    return points.reshape(-1, 3).astype(np.float32), grid_triangles(rows, columns, True)


def tube(path: Array, radius: float | Array, *, is_closed: bool, sides: int = 6) -> Mesh:
    """A tube about a path `[point 3]`, as jewellery."""
    after = np.roll(path, -1, 0) if is_closed else np.concatenate([path[1:], path[-1:]])
    before = np.roll(path, 1, 0) if is_closed else np.concatenate([path[:1], path[:-1]])
    along = unit(after - before, 1e-9)
    helper = np.where(np.abs(along[:, 1:2]) < 0.9, [[0.0, 1, 0]], [[1.0, 0, 0]])
    across = unit(crossed(along, helper), 1e-9)
    up = crossed(across, along)
    angle = np.arange(sides) * 2 * np.pi / sides
    ring = across[:, None] * np.cos(angle)[:, None] + up[:, None] * np.sin(angle)[:, None]
    vertices = path[:, None] + np.reshape(radius, (-1, 1, 1)) * ring
    if is_closed:
        vertices = np.concatenate([vertices, vertices[:1]])
    triangles = grid_triangles(len(vertices), sides, True)
    return Mesh.of(vertices.reshape(-1, 3), triangles, Part.JEWEL)
