"""A lifted identity → its coloured mesh."""

from dataclasses import dataclass

from .field import Field
from .mesh import METRES_PER_UNIT, Mesh, simplified
from .surface import extract_surface, surface_logit


@dataclass(frozen=True)
class MeshSettings:
    """How a mesh is made.

    Attributes:
        resolution: samples along a side of the box.
        faces: at most about this many; None: as marching cubes makes them.
        metres_per_unit: the scale of the head.

    Raises:
        ValueError: one of them is out of range.
    """

    resolution: int = 256
    faces: int | None = None
    metres_per_unit: float = METRES_PER_UNIT

    def __post_init__(self) -> None:
        if not 8 <= self.resolution <= 1024:
            raise ValueError(f"mesh.resolution is {self.resolution}: give 8 to 1024")
        if self.faces is not None and self.faces < 4:
            raise ValueError(f"mesh.faces is {self.faces}: give at least 4, or null for all")
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
    level, sign = surface_logit(field.activation, field.box_size)
    vertices, faces = extract_surface(
        field.logits,
        level=level,
        sign=sign,
        box_size=field.box_size,
        resolution=settings.resolution,
    )
    if settings.faces is not None:
        vertices, faces = simplified(vertices, faces, settings.faces)
    bare = Mesh(vertices, faces, vertices, settings.metres_per_unit)
    colors = field.seen_colors(vertices, bare.normals())
    return Mesh(vertices, faces, colors, settings.metres_per_unit)
