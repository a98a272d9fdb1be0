"""A triangle mesh with colours; its largest component, normals, and one of fewer faces."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from pipeline.worlds.heads.frame import SEEN_LARGER, SHRINK, WORLD_PER_DECIMETRE

METRES_PER_UNIT = 0.1 * SEEN_LARGER / (WORLD_PER_DECIMETRE * SHRINK)
"""Metres in a world unit, 0.402: that of the face with eyes 61 mm apart to which portraits are
cropped (`pipeline.worlds.heads.frame`). A photograph doesn't tell how large a head is.
"""


@dataclass(frozen=True)
class Texture:
    """A picture on a mesh.

    Attributes:
        uv: for each vertex; u to the right, v up, [0, 1].
        image: 8-bit sRGB, top row first.
    """

    uv: Float[np.ndarray, "vertex 2"]
    image: UInt8[np.ndarray, "height width 3"]


@dataclass(frozen=True)
class Mesh:
    """Triangles in world axes: y up, the face looks along +z.

    Attributes:
        vertices: world units.
        faces: vertex numbers, counterclockwise from outside.
        colors: sRGB in [0, 1], one for each vertex.
        metres_per_unit: metres in a world unit.
        texture: replaces the vertices' colours where it is given.
        split_normals: where vertices were split at the seams of a texture, the normals from before.
    """

    vertices: Float[np.ndarray, "vertex 3"]
    faces: Int[np.ndarray, "face 3"]
    colors: Float[np.ndarray, "vertex 3"]
    metres_per_unit: float = METRES_PER_UNIT
    texture: Texture | None = None
    split_normals: Float[np.ndarray, "vertex 3"] | None = None

    def normals(self) -> Float[np.ndarray, "vertex 3"]:
        """Unit normals of the vertices, outwards: the mean of their faces', by area."""
        if self.split_normals is not None:
            return self.split_normals
        return vertex_normals(self.vertices, self.faces)


def vertex_normals(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]
) -> Float[np.ndarray, "vertex 3"]:
    """Unit normals by area; a vertex whose faces have none gets +z."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(cross[:, axis], 3), len(vertices))
            for axis in range(3)
        ],
        1,
    )
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 0, normals / np.maximum(length, 1e-30), [0.0, 0.0, 1.0])
    return normals.astype(np.float32)


def smoothed_normals(mesh: Mesh, length: float) -> Float[np.ndarray, "vertex 3"]:
    """Unit normals averaged over about a length: means over neighbours, as many times as a random
    walk along edges takes to get so far.
    """
    from scipy.sparse import coo_array

    starts = mesh.faces[:, [0, 1, 2, 1, 2, 0]].ravel()
    ends = mesh.faces[:, [1, 2, 0, 0, 1, 2]].ravel()
    count = len(mesh.vertices)
    ones = np.ones(len(starts), np.float32)
    neighbours = coo_array((ones, (starts, ends)), (count, count)).tocsr()
    neighbours.data[:] = 1  # an edge is counted by both of its faces
    edge = np.linalg.norm(mesh.vertices[starts] - mesh.vertices[ends], axis=1).mean()
    normals = mesh.normals()
    for _ in range(round(float(length / edge) ** 2)):
        normals = normals + neighbours @ normals
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    return normals.astype(np.float32)


def largest_component(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]
) -> tuple[Float[np.ndarray, "kept 3"], Int[np.ndarray, "kept_face 3"]]:
    """The connected part with most faces: no floating specks, no cavities inside the head."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    starts, ends = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    edges = coo_array((np.ones(len(starts), bool), (starts, ends)), (len(vertices), len(vertices)))
    labels = connected_components(edges, directed=False)[1][faces[:, 0]]
    return used_vertices(vertices, faces[labels == np.bincount(labels).argmax()])


def simplified(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"], count: int
) -> tuple[Float[np.ndarray, "kept 3"], Int[np.ndarray, "kept_face 3"]]:
    """The shape with at most about `count` faces, by quadric error; fewer faces stay as they are.

    Raises:
        ValueError: nothing would be left.
    """
    import fast_simplification

    if count >= len(faces):  # the library would answer with an empty mesh
        return vertices, faces
    points, triangles = fast_simplification.simplify(
        vertices.astype(np.float32), faces.astype(np.int32), target_count=count
    )
    if not 4 <= len(triangles) <= 1.02 * count + 2:
        raise ValueError(f"faces={count} leaves {len(triangles)} of {len(faces)}: give more")
    return used_vertices(points.astype(np.float32), triangles.astype(np.int64))


def used_vertices(
    vertices: Float[np.ndarray, "vertex 3"], faces: Int[np.ndarray, "face 3"]
) -> tuple[Float[np.ndarray, "kept 3"], Int[np.ndarray, "face 3"]]:
    """Without vertices that no face has."""
    used, numbers = np.unique(faces, return_inverse=True)
    return vertices[used], numbers.reshape(faces.shape)
