"""A mesh under a picture: charts by xatlas, every texel the field's colour at its surface point."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from pipeline.worlds.heads.rasterizer import Buffer, draw_triangles, interpolate

from .mesh import Mesh, Texture

Colors = Callable[
    [Float[np.ndarray, "point 3"], Float[np.ndarray, "point 3"]], Float[np.ndarray, "point 3"]
]
"""Surface points and unit directions out of it → sRGB in [0, 1]."""

PADDING = 4
"""Texels between charts, of the larger picture that xatlas may make before it is fitted."""


def textured(
    mesh: Mesh, directions: Float[np.ndarray, "vertex 3"], colors: Colors, size: int
) -> Mesh:
    """The mesh with charts and a picture; vertices on seams are split, normals stay smooth.

    Args:
        mesh: coloured or not.
        directions: out of the surface, against which it is looked at; unit length.
        colors: of the field.
        size: side of the picture in texels.

    Raises:
        ValueError: the mesh can't be cut into charts.
    """
    sources, faces, uv = unwrapped(mesh.vertices, mesh.faces, size)
    vertices = mesh.vertices[sources]
    texels = Texels(faces, uv, size)
    places, outwards = texels.interpolated(vertices), texels.interpolated(directions[sources])
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-9)
    image = np.zeros((size, size, 3), np.uint8)
    image[texels.covered] = np.round(colors(places, outwards) * 255)
    return replace(
        mesh,
        vertices=vertices,
        faces=faces,
        colors=mesh.colors[sources],
        split_normals=mesh.normals()[sources],
        texture=Texture(uv, padded(image, texels.covered)),
    )


def unwrapped(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"], size: int
) -> tuple[Int[np.ndarray, " split"], Int[np.ndarray, "face 3"], Float[np.ndarray, "split 2"]]:
    """Charts that don't overlap, in the unit square.

    Returns:
        for each vertex of the result the one that it was; the same faces of the new vertices; uv in
        [0, 1].

    Raises:
        ValueError: no charts were found.
    """
    import xatlas

    corners = vertices[faces].astype(np.float64)
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    # xatlas takes faces smaller than 1e-7 units² for empty ones, silently
    scale = 1 / np.sqrt(max(areas.mean(), 1e-30))
    atlas = xatlas.Atlas()
    atlas.add_mesh((vertices * scale).astype(np.float32), faces.astype(np.uint32))
    options = xatlas.PackOptions()
    options.resolution, options.padding, options.bilinear = size, PADDING, True
    atlas.generate(pack_options=options)
    sources, split, uv = atlas[0]
    if atlas.atlas_count != 1 or not np.isfinite(uv).all():
        raise ValueError(f"a mesh of {len(faces)} faces can't be cut into charts")
    # the packed picture is only about as large as asked, and no square: fit its longer side
    sides = np.array([atlas.width, atlas.height], np.float32)
    return sources.astype(np.int64), split.astype(np.int64), uv * sides / sides.max()


class Texels:
    """The texels whose middles lie on a chart.

    Args:
        faces: of the split vertices.
        uv: u to the right, v up, [0, 1].
        size: side of the picture.

    Attributes:
        covered: top row first.
    """

    covered: Bool[np.ndarray, "size size"]

    def __init__(
        self, faces: Int[np.ndarray, "face 3"], uv: Float[np.ndarray, "vertex 2"], size: int
    ) -> None:
        places = np.ones((len(uv), 3), np.float32)
        places[:, 0], places[:, 1] = uv[:, 0] * size, (1 - uv[:, 1]) * size
        buffer = Buffer.empty(size)
        self._faces = faces.astype(np.int32)
        draw_triangles(buffer, places, self._faces, np.ones(len(uv), np.float32))
        self.covered = buffer.index >= 0
        self._rows, self._weights = buffer.index[self.covered], buffer.weights[self.covered]

    def interpolated(
        self, values: Float[np.ndarray, "vertex channel"]
    ) -> Float[np.ndarray, "texel channel"]:
        """Values of the vertices at the covered texels."""
        return interpolate(self._rows, self._weights, self._faces, values.astype(np.float32))


def padded(image: np.ndarray, covered: Bool[np.ndarray, "height width"]) -> np.ndarray:
    """Every other texel takes the nearest covered one's colour: no seam shows, at any mip level."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return image[rows, columns]
