"""One person as meshes and strands in the world."""

from dataclasses import dataclass

import numpy as np

from .clothes import clothes_mesh
from .factors import Person
from .hair import hair_strands
from .mesh import Mesh, joined, unit_sphere
from .part import Part
from .shape import HeadShape, neutral_vertices, posed
from .skull import Skull, skull_of
from .strands import Strands, joined_strands
from .template import template

Array = np.ndarray
BOUND = 0.5
"""Everything is cut off at this distance from the origin, so that it fits the cube [-0.5, 0.5]³."""


@dataclass(frozen=True)
class Scene:
    """A person's geometry in the world.

    Attributes:
        person: the factors.
        shape: the head.
        mesh: all triangles.
        normals: of the mesh's vertices.
        skull: the head's distances.
        hair: strands, grouped by their number of points.
    """

    person: Person
    shape: HeadShape
    mesh: Mesh
    normals: Array
    skull: Skull
    hair: list[Strands]

    def strand_points(self) -> Array:
        """`[point 3]`: of all strands."""
        none = np.zeros((0, 3), np.float32)
        return np.concatenate([none, *(group.points.reshape(-1, 3) for group in self.hair)])


def scene_of(person: Person) -> Scene:
    """Builds a person."""
    neutral = neutral_vertices(person.identity.physique)
    shape = posed(neutral, person.expression)
    meshes = [head_mesh(shape), *(_eye_mesh(shape, side) for side in (0, 1))]
    meshes.append(clothes_mesh(shape, person.identity.outfit))
    mesh = _bounded(joined(meshes))
    normals, skull = mesh.normals(), skull_of(shape)
    hair = joined_strands(
        hair_strands(shape, skull, normals[: len(shape.vertices)], person.identity.hair)
    )
    return Scene(person, shape, mesh, normals, skull, hair)


def head_mesh(shape: HeadShape) -> Mesh:
    """The template's triangles."""
    base = template()
    masks = np.stack([base.lips, base.eyelids, base.ears, base.inside], 1)
    return Mesh.of(shape.vertices, base.triangles, base.part, base.base, None, masks)


def _eye_mesh(shape: HeadShape, side: int) -> Mesh:
    eye = shape.eyes[side]
    points, triangles = unit_sphere()
    return Mesh.of(points * eye.radius + eye.center, triangles, Part.EYE, points)


def _bounded(mesh: Mesh) -> Mesh:
    inside = BOUND - np.linalg.norm(mesh.vertices, axis=1)
    cut = np.minimum(mesh.cut, inside.astype(np.float32))
    return Mesh(mesh.vertices, mesh.triangles, mesh.part, mesh.rest, cut, mesh.masks)
