"""Eyelashes as strands along the lids' borders."""

from functools import cache

import numpy as np

from .factors import Skin
from .part import Part
from .shape import HeadShape
from .strands import Strands
from .template import template

Array = np.ndarray

UPPER_ROOTS = ((0.213, 7.295, 1.392), (0.237, 7.309, 1.397), (0.272, 7.322, 1.404),
               (0.311, 7.329, 1.408), (0.347, 7.327, 1.405), (0.379, 7.322, 1.397),
               (0.405, 7.314, 1.387), (0.431, 7.300, 1.372), (0.439, 7.288, 1.363))  # fmt: skip
UPPER_TIPS = ((0.208, 7.311, 1.415), (0.231, 7.328, 1.424), (0.266, 7.345, 1.435),
              (0.307, 7.358, 1.441), (0.346, 7.362, 1.441), (0.381, 7.362, 1.436),
              (0.411, 7.358, 1.429), (0.463, 7.337, 1.413), (0.505, 7.296, 1.397))  # fmt: skip
LOWER_ROOTS = ((0.245, 7.247, 1.399), (0.310, 7.238, 1.411), (0.348, 7.240, 1.408),
               (0.382, 7.246, 1.396), (0.419, 7.265, 1.373))  # fmt: skip
LOWER_TIPS = ((0.244, 7.215, 1.416), (0.311, 7.204, 1.425), (0.349, 7.203, 1.421),
              (0.381, 7.205, 1.412), (0.460, 7.263, 1.379))  # fmt: skip
"""Places on the template of MakeHuman's strips of lashes, from the inner corner."""
UPPER, LOWER = 20, 7
"""Strands of each lid."""
POINTS = 4
WIDTH = 0.00011
"""World units: half of it, .04 mm."""


def lash_strands(shape: HeadShape, skin: Skin) -> Strands:
    """The lashes of both eyes."""
    random = np.random.default_rng(skin.seed + 12)
    points, colors = [], []
    for roots, tips, count, length in (
        ("upper roots", "upper tips", UPPER, 0.55 + 0.35 * skin.lashes),
        ("lower roots", "lower tips", LOWER, 0.22 + 0.2 * skin.lashes),
    ):
        for side in (-1, 1):
            root = shape.vertices[_vertices()[roots, side]]
            tip = shape.vertices[_vertices()[tips, side]]
            place = (np.arange(count) + random.uniform(0.2, 0.8, count)) / count * (len(root) - 1)
            start, end = _between(root, place), _between(tip, place + random.normal(0, 0.15, count))
            reach = (end - start) * (length * random.uniform(0.7, 1.1, count))[:, None]
            t = np.linspace(0, 1, POINTS)[None, :, None]
            bent = start[:, None] + reach[:, None] * t
            bent[..., 1] -= np.sign(reach[:, 1])[:, None] * 0.0025 * np.sin(np.pi * t[..., 0])
            points.append(bent)
            colors.append(np.full((count, POINTS, 3), 1.0 if count == UPPER else 1.8))
    dark = 0.25 * skin.brow + 0.004 * (1 - 0.7 * skin.liner)
    at = np.concatenate(points).astype(np.float32)
    width = np.broadcast_to(WIDTH * np.linspace(1, 0.3, POINTS), at.shape[:2])
    return Strands(at, (np.concatenate(colors) * dark).astype(np.float32), width.astype("f4"))


def _between(points: Array, place: Array) -> Array:
    """A polyline at places in units of its points."""
    place = np.clip(place, 0, len(points) - 1)
    low = np.minimum(place.astype(int), len(points) - 2)
    share = (place - low)[:, None]
    return points[low] * (1 - share) + points[low + 1] * share


@cache
def _vertices() -> dict[tuple[str, int], Array]:
    """Vertices of the strips nearest to the places above, by side."""
    shape = template()
    strips = np.unique(shape.triangles[shape.part == Part.LASHES])
    lists = {"upper roots": UPPER_ROOTS, "upper tips": UPPER_TIPS,
             "lower roots": LOWER_ROOTS, "lower tips": LOWER_TIPS}  # fmt: skip
    found = {}
    for name, places in lists.items():
        for side in (-1, 1):
            at = np.array(places) * [side, 1, 1]
            distance = np.linalg.norm(shape.base[strips][None] - at[:, None], axis=2)
            found[name, side] = strips[distance.argmin(1)]
    return found
