"""The 68 landmarks of iBUG 300-W as vertices of the template.

Each is the visible vertex nearest to a place on the frontal template; inner lips are found on an
open mouth.
"""

from functools import cache

import numpy as np

from .part import Part
from .template import Template, template

Array = np.ndarray

JAW = ((0.73, 7.28), (0.725, 7.12), (0.705, 6.96), (0.66, 6.80), (0.59, 6.63), (0.49, 6.46),
       (0.35, 6.32), (0.18, 6.22))  # fmt: skip
BROW = ((0.48, 7.43), (0.42, 7.465), (0.33, 7.48), (0.22, 7.465), (0.12, 7.425))
BRIDGE = ((0.0, 7.27), (0.0, 7.13), (0.0, 7.0), (0.0, 6.92))
NOSTRIL = ((0.145, 6.856), (0.07, 6.84))
EYE = ((0.442, 7.291), (0.35, 7.328), (0.25, 7.324), (0.163, 7.278), (0.25, 7.25), (0.35, 7.243))
"""Outer corner, upper lid, inner corner, lower lid."""
CORNER = (0.251, 6.61)
UPPER, LOWER = (0.15, 0.055), (0.14, 0.07)
"""Places across the outer lips, from the corner to the middle."""
INNER_CORNER = (0.215, 6.55)
INNER_UPPER, INNER_LOWER = ((0.09, 6.603), (0.0, 6.607)), ((0.09, 6.46), (0.0, 6.436))
JAW_OPEN = 0.5

LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
"""In the picture."""
NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT = 30, 48, 54


@cache
def landmark_vertices() -> Array:
    """`[68]`: vertices of `template.template()`, in the order of iBUG 300-W: jaw, brows, nose,
    eyes, lips; each from the picture's left.
    """
    shape = template()
    opened = shape.base + JAW_OPEN * shape.shapes[shape.rows()["action/jawOpen"]]
    closed = _Picker(shape, shape.base)
    open_ = _Picker(shape, opened)
    jaw = [closed.nearest(-x, y) for x, y in JAW]
    brow = [closed.nearest(-x, y) for x, y in BROW]
    eye = [closed.nearest(-x, y) for x, y in EYE]
    nostril = [closed.nearest(-x, y) for x, y in NOSTRIL]
    upper, lower = [closed.lip(-x, 1) for x in UPPER], [closed.lip(-x, -1) for x in LOWER]
    corner, inner_corner = (
        closed.nearest(-CORNER[0], CORNER[1]),
        open_.nearest(-INNER_CORNER[0], INNER_CORNER[1]),
    )
    inner_upper = [open_.nearest(-x, y) for x, y in INNER_UPPER]
    inner_lower = [open_.nearest(-x, y) for x, y in INNER_LOWER]
    twin = _Twins(shape)
    other = [eye[k] for k in (3, 2, 1, 0, 5, 4)]
    ordered = [
        *_row(jaw, closed.nearest(0.0, 6.19), twin),
        *brow, *(twin[v] for v in brow[::-1]),
        *(closed.nearest(x, y) for x, y in BRIDGE),
        *_row(nostril, closed.nearest(0.0, 6.81), twin),
        *eye, *(twin[v] for v in other),
        *_row([corner, *upper], closed.lip(0.0, 1), twin),
        *_row(lower, closed.lip(0.0, -1), twin)[::-1],
        *_row([inner_corner, inner_upper[0]], inner_upper[1], twin),
        *_row([inner_lower[0]], inner_lower[1], twin)[::-1],
    ]  # fmt: skip
    return np.array(ordered)


def five_points(landmarks: Array) -> Array:
    """Eyes (middles of their corners), tip of the nose, corners of the mouth, from `[68 3]`."""
    eyes = [(landmarks[a] + landmarks[b]) / 2 for a, b in ((36, 39), (42, 45))]
    return np.stack([*eyes, *landmarks[[NOSE_TIP, MOUTH_LEFT, MOUTH_RIGHT]]])


def _row(left: list[int], middle: int, twin: "_Twins") -> list[int]:
    return [*left, middle, *(twin[vertex] for vertex in left[::-1])]


class _Twins:
    """`twins[vertex]` is the vertex at its mirror image."""

    def __init__(self, shape: Template) -> None:
        self._base = shape.base

    def __getitem__(self, vertex: int) -> int:
        mirrored = self._base[vertex] * [-1, 1, 1]
        return int(((self._base - mirrored) ** 2).sum(-1).argmin())


class _Picker:
    """Vertices of the skin that face the front of one pose of the template."""

    def __init__(self, shape: Template, vertices: Array) -> None:
        from .rasterizer import vertex_normals

        skin = np.zeros(len(vertices), bool)
        skin[shape.triangles[shape.part == Part.SKIN].ravel()] = True
        normals = vertex_normals(vertices.astype(np.float32), shape.triangles)
        good = skin & (normals[:, 2] > -0.2) & (shape.ears < 0.5) & (shape.inside < 0.5)
        self.rows = np.flatnonzero(good & (vertices[:, 2] > 0.3))
        self.vertices, self.lips = vertices, shape.lips

    def nearest(self, x: float, y: float) -> int:
        """Seen from the front; of two at one place, the nearer to the camera."""
        at = self.vertices[self.rows]
        cost = np.hypot(at[:, 0] - x, at[:, 1] - y) - 0.05 * at[:, 2]
        return int(self.rows[cost.argmin()])

    def lip(self, x: float, sign: int) -> int:
        """The highest (1) or lowest (-1) vertex of the lips near x."""
        rows = self.rows[self.lips[self.rows] > 0.5]
        at = self.vertices[rows]
        cost = 3 * np.abs(at[:, 0] - x) - sign * at[:, 1]
        return int(rows[cost.argmin()])
