"""One person as meshes and strands in the world."""

from dataclasses import dataclass

import numpy as np

from .accessories import accessory_meshes
from .clothes import clothes_mesh
from .factors import Person
from .hair import hair_strands
from .lashes import lash_strands
from .mesh import Mesh, joined, unit_sphere
from .part import Part
from .shape import HeadShape, neutral_vertices, posed
from .skull import Skull, skull_of
from .strands import Strands, joined_strands
from .template import template
from .vectors import lengths

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
        lenses: of glasses; they hide nothing and cast no shadow.
    """

    person: Person
    shape: HeadShape
    mesh: Mesh
    normals: Array
    skull: Skull
    hair: list[Strands]
    lenses: Mesh | None

    def strand_points(self) -> Array:
        """`[point 3]`: of all strands."""
        none = np.zeros((0, 3), np.float32)
        return np.concatenate([none, *(group.points.reshape(-1, 3) for group in self.hair)])


def scene_of(person: Person, detail: float = 1.0) -> Scene:
    """Builds a person; `detail` is the share of the strands (`hair.hair_strands`)."""
    neutral = neutral_vertices(person.identity.physique)
    shape = posed(neutral, person.expression)
    skull = skull_of(shape)
    worn = accessory_meshes(shape, skull, person.identity.outfit)
    lenses = [mesh for mesh in worn if (mesh.part == Part.LENS).all()]
    solid = [mesh for mesh in worn if not (mesh.part == Part.LENS).all()]
    eyes = (_eye_mesh(shape, side) for side in (0, 1))
    clothes = clothes_mesh(shape, person.identity.outfit)
    mesh = _bounded(joined([head_mesh(shape), *eyes, clothes, *solid]))
    normals = mesh.normals()
    identity, skin_normals = person.identity, normals[: len(shape.vertices)]
    strands = hair_strands(shape, skull, skin_normals, identity.hair, identity.outfit.hat, detail)
    hair = joined_strands([*strands, lash_strands(shape, identity.skin)])
    return Scene(person, shape, mesh, normals, skull, hair, joined(lenses) if lenses else None)


def head_mesh(shape: HeadShape) -> Mesh:
    """The template's triangles; its strips of lashes only carry `lashes`."""
    base = template()
    solid = base.part != Part.LASHES
    masks = np.stack([base.lips, base.eyelids, base.ears, base.inside], 1)
    return Mesh.of(shape.vertices, base.triangles[solid], base.part[solid], base.base, None, masks)


def _eye_mesh(shape: HeadShape, side: int) -> Mesh:
    eye = shape.eyes[side]
    points, triangles = unit_sphere()
    return Mesh.of(points * eye.radius + eye.center, triangles, Part.EYE, points)


def _bounded(mesh: Mesh) -> Mesh:
    inside = BOUND - lengths(mesh.vertices)
    cut = np.minimum(mesh.cut, inside.astype(np.float32))
    return Mesh(mesh.vertices, mesh.triangles, mesh.part, mesh.rest, cut, mesh.masks)
