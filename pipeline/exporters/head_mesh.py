"""A lifted identity → its coloured mesh."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .atlas import textured
from .field import Field
from .mesh import METRES_PER_UNIT, Mesh, simplified, smoothed_normals
from .surface import OPAQUE_WITHIN, extract_surface, surface_logit

TEXTURED_FACES = 20_000
"""Charts take seconds for these and minutes for three times as many; details are in the picture."""

LOOK_LENGTH = 1 / 30
"""Of the box's side. Rays against the surface's own normals would see speckles in creases."""


@dataclass(frozen=True)
class MeshSettings:
    """How a mesh is made.

    Attributes:
        resolution: samples along a side of the box.
        faces: at most about this many; None: as marching cubes makes them, or `TEXTURED_FACES`
            with a texture.
        texture: side of a picture in texels that replaces the vertices' colours; None: no picture.
        metres_per_unit: the scale of the head.
        opaque_within: share of the box's side whose density is half opaque at the surface; of no
            meaning where the field has signed distances.

    Raises:
        ValueError: one of them is out of range.
    """

    resolution: int = 256
    faces: int | None = None
    texture: int | None = None
    metres_per_unit: float = METRES_PER_UNIT
    opaque_within: float = OPAQUE_WITHIN

    def __post_init__(self) -> None:
        if not 8 <= self.resolution <= 1024:
            raise ValueError(f"mesh.resolution is {self.resolution}: give 8 to 1024")
        if self.faces is not None and self.faces < 4:
            raise ValueError(f"mesh.faces is {self.faces}: give at least 4, or null for all")
        if self.texture is not None and not 64 <= self.texture <= 8192:
            raise ValueError(f"mesh.texture is {self.texture}: give 64 to 8192, or null for none")
        if not 0 < self.metres_per_unit < 1000:
            raise ValueError(
                f"metres_per_unit is {self.metres_per_unit}: give the metres in a world unit, or"
                f" null for {METRES_PER_UNIT:.3f}"
            )


def head_mesh(field: Field, settings: MeshSettings) -> Mesh:
    """The surface with the colours that the field shows there.

    Fewer faces come before the colours, which therefore are the field's at the vertices that stay.

    Raises:
        ValueError: the field has no surface, or too few faces are asked for.
    """
    vertices, faces = surface_of(field, settings)
    most = settings.faces or (TEXTURED_FACES if settings.texture else None)
    if most is not None:
        vertices, faces = simplified(vertices, faces, most)
    bare = Mesh(vertices, faces, vertices, settings.metres_per_unit)
    colors = field.seen_colors(vertices, directions_of(bare, field))
    return Mesh(vertices, faces, colors, settings.metres_per_unit)


def surface_of(
    field: Field, settings: MeshSettings
) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """Zeros of the signed distance where the field has one, else a level of the density.

    Densities of a distance saturate within a tenth of a cell: marching cubes would make stairs.
    """
    if field.has_distances:
        values, level, sign = field.distances, 0.0, -1
    else:
        values, sign = field.logits, 1
        level = surface_logit(field.activation, field.box_size, settings.opaque_within)
    return extract_surface(
        values, level=level, sign=sign, box_size=field.box_size, resolution=settings.resolution
    )


def under_a_picture(mesh: Mesh, field: Field, settings: MeshSettings) -> Mesh:
    """The mesh with the texture that the settings ask for, or itself."""
    if settings.texture is None:
        return mesh
    return textured(mesh, directions_of(mesh, field), field.seen_colors, settings.texture)


def directions_of(mesh: Mesh, field: Field) -> Float[np.ndarray, "vertex 3"]:
    """From where each vertex is looked at for its colour: normals over `LOOK_LENGTH`."""
    return smoothed_normals(mesh, LOOK_LENGTH * field.box_size)
