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
"""Places on the template of MakeHuman's strips of lashes, from the inner corner."""
COUNT = 22
"""Strands of an upper lid; the lower lid's are a line of `make_up`."""
POINTS = 4
WIDTH = 0.00011
"""World units: half of it, .04 mm."""
SAG = 0.0025
"""World units: how far a lash hangs through before it curls up."""


def lash_strands(shape: HeadShape, skin: Skin) -> Strands:
    """The lashes of both eyes."""
    random = np.random.default_rng(skin.seed + 12)
    points = []
    for side in (-1, 1):
        roots, tips = (shape.vertices[vertices] for vertices in _vertices(side))
        place = (np.arange(COUNT) + random.uniform(0.2, 0.8, COUNT)) / COUNT * (len(roots) - 1)
        start = _between(roots, place)
        reach = _between(tips, place + random.normal(0, 0.15, COUNT)) - start
        reach *= np.interp(place / (len(roots) - 1), [0, 0.2, 0.75, 1], [0.6, 1, 1, 0.55])[:, None]
        reach *= ((0.5 + 0.35 * skin.lashes) * random.uniform(0.7, 1.1, COUNT))[:, None]
        t = np.linspace(0, 1, POINTS)[None, :, None]
        bent = start[:, None] + reach[:, None] * t
        bent[..., 1] -= np.sign(reach[:, 1])[:, None] * SAG * np.sin(np.pi * t[..., 0])
        points.append(bent)
    at = np.concatenate(points).astype(np.float32)
    color = np.broadcast_to(0.25 * skin.brow + 0.004 * (1 - 0.7 * skin.liner), at.shape)
    width = np.broadcast_to(WIDTH * np.linspace(1, 0.3, POINTS), at.shape[:2])
    return Strands(
        at, color.astype(np.float32), width.astype(np.float32), np.zeros((len(at), 3), np.float32)
    )


def _between(points: Array, place: Array) -> Array:
    """A polyline at places in units of its points."""
    place = np.clip(place, 0, len(points) - 1)
    low = np.minimum(place.astype(int), len(points) - 2)
    share = (place - low)[:, None]
    return points[low] * (1 - share) + points[low + 1] * share


@cache
def _vertices(side: int) -> tuple[Array, Array]:
    """Vertices of the strips nearest to the places above, at -x or x."""
    shape = template()
    strips = np.unique(shape.triangles[shape.part == Part.LASHES])
    mirrored = shape.base[strips] * [side, 1, 1]
    roots, tips = (
        strips[np.linalg.norm(mirrored[None] - np.array(places)[:, None], axis=2).argmin(1)]
        for places in (UPPER_ROOTS, UPPER_TIPS)
    )
    return roots, tips
