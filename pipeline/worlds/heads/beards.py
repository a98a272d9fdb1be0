"""Beards: where they grow, and their strands."""

import numpy as np

from .factors import BeardKind, Hair
from .locks import Dye, Lock, Planted, strands_beside
from .noise import fractal
from .shape import HeadShape
from .skull import SITES, Skull, beard_roots, guides_of
from .strands import Strands
from .template import template

Array = np.ndarray
POINTS = 6


def beard_cover(rest: Array, hair: Hair) -> Array:
    """Where a beard grows, in [0, 1], of places on the template; its border is ragged."""
    ragged = 0.035 * fractal(rest * np.float32(7.0), hair.seed + 3, 2)
    x, y, z = np.abs(rest[:, 0]) + ragged, rest[:, 1] + 0.6 * ragged, rest[:, 2]
    moustache = _soft(0.34 - x, 0.08) * _soft(y - 6.68, 0.02) * _soft(6.84 - y, 0.04)
    moustache *= _soft(z - 1.25, 0.05)
    goatee = _soft(0.24 - x, 0.10) * _soft(6.50 - y, 0.05) * _soft(y - 6.08, 0.07)
    goatee *= _soft(z - 1.1, 0.08)
    goatee = np.maximum(goatee, _soft(0.05 - np.abs(x - 0.30), 0.04) * _soft(6.7 - y, 0.1)
                        * _soft(y - 6.35, 0.1) * _soft(z - 1.1, 0.08))  # fmt: skip
    if hair.beard == BeardKind.MOUSTACHE:
        return moustache
    if hair.beard == BeardKind.GOATEE:
        return np.maximum(moustache, goatee)
    edge = np.interp(x, [0.0, 0.24, 0.34, 0.5, 0.66, 0.75], [6.50, 6.54, 6.72, 6.82, 7.05, 7.45])
    jaw = _soft(edge - y, 0.09) * _soft(y - (5.98 + 0.3 * x), 0.10) * _soft(z - 0.42, 0.06)
    return np.maximum(moustache, jaw)


def _soft(value: Array, width: float) -> Array:
    return np.clip(0.5 + value / (2 * width), 0, 1)


def beard_strands(
    shape: HeadShape, skull: Skull, normals: Array, hair: Hair, dye: Dye, detail: float
) -> Strands:
    """See `hair.hair_strands`."""
    random = np.random.default_rng(hair.seed + 17)
    every = beard_roots()
    luck = random.random(len(every))
    lips = every.on(template().lips[:, None])[:, 0]
    cover = beard_cover(every.rest, hair) * (lips < 0.25)
    grows = cover > luck
    roots = every[np.flatnonzero(grows & (every.numbers < len(every) * detail))]
    guides = every[np.flatnonzero(grows & (every.numbers < SITES))]
    upper = guides.rest[:, 1] > 6.66
    length = 0.09 + 0.50 * hair.beard_length**2.2
    lengths = np.full(len(guides), length) * (0.75 + 0.35 * luck[guides.numbers])
    lip = upper & (np.abs(guides.rest[:, 0]) < 0.4)
    lengths = np.where(lip, np.minimum(lengths, 0.13 + 0.06 * hair.beard_length), lengths)
    lengths = lengths * np.clip(0.45 + 0.55 * (guides.rest[:, 2] - 0.5) / 0.6, 0.4, 1)
    place, normal = skull.to_local(guides.on(shape.vertices)), guides.on(normals)
    way = np.stack([np.sign(place[:, 0]) * np.where(upper, 0.75, 0.08), -np.ones(len(guides)),
                    0.15 * np.ones(len(guides))], 1)  # fmt: skip
    t = np.linspace(0, 1, POINTS)[None, :, None]
    paths = (
        place[:, None]
        + (normal[:, None] * (0.50 * t - 0.22 * t**2) + way[:, None] * (0.72 * t**1.3))
        * lengths[:, None, None]
    )
    lock = Lock(
        width=0.0030 / detail, gather=0.25, clump=0.3, cell=0.07, ragged=0.5, stray=0.10 * length,
        curl=0.008 + 0.03 * hair.curl * min(1.0, 2.5 * length), turns=2.5 + 5 * hair.curl,
        loose=0.8, frizz=0.01,
    )  # fmt: skip
    thin = np.clip(cover[roots.numbers] * 1.2, 0.35, 1)
    planted = Planted(
        skull.to_local(roots.on(shape.vertices)), guides_of(roots, guides), roots.numbers,
        thin, 0.6 + 0.4 * thin,
    )  # fmt: skip
    return strands_beside(
        paths, 0.4 + 0.6 * luck[guides.numbers], planted, lock, dye, skull, hair.seed + 17
    )
