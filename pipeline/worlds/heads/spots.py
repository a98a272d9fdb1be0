"""Freckles, moles and age spots: extra melanin at places on the template."""

from functools import cache
from typing import no_type_check

import numpy as np
from numba import njit

from .factors import Skin
from .noise import lattice
from .part import Part
from .template import template

Array = np.ndarray

CELL = 0.034
"""Decimetres: one place for a freckle in each cube."""
MEAN = 0.024
"""Density of all freckles over a face, measured."""


def freckles(rest: Array, skin: Skin, footprint: float) -> Array:
    """Density of melanin `[point]`; where samples are too coarse, its mean."""
    fine = float(np.clip(0.8 * CELL / footprint - 0.4, 0, 1))
    out = np.full(len(rest), (1 - fine) * MEAN * skin.freckles**2, np.float32)
    if fine > 0:
        points = np.ascontiguousarray(rest / CELL, np.float32)
        seed = np.uint32(skin.seed + 3)
        _dots(points, seed, np.float32(skin.freckles), np.float32(footprint / CELL), fine, out)
    return out


def moles(rest: Array, skin: Skin, footprint: float) -> Array:
    """Density of melanin `[point]` of moles and age spots."""
    places = _places(skin.seed, round(9 * skin.moles**2), round(14 * skin.spots), skin.tone)
    out = np.zeros(len(rest), np.float32)
    if len(places):
        _disks(np.ascontiguousarray(rest, np.float32), places, np.float32(footprint), out)
    return out


def _places(seed: int, moles: int, spots: int, tone: float) -> Array:
    """`[spot 5]`: place, radius, density."""
    random = np.random.default_rng(seed + 5)
    at, until = _candidates()
    chosen = np.searchsorted(until, random.uniform(0, until[-1], moles + spots))
    places = at[chosen] + random.normal(0, 0.02, (moles + spots, 3))
    is_mole = np.arange(moles + spots) < moles
    radius = np.where(is_mole, random.uniform(0.005, 0.013, moles + spots),
                      random.uniform(0.012, 0.04, moles + spots))  # fmt: skip
    density = np.where(is_mole, random.uniform(0.7, 1.8, moles + spots),
                       random.uniform(0.12, 0.35, moles + spots))  # fmt: skip
    density = density * (1 - 0.05 * tone)
    return np.concatenate([places, radius[:, None], density[:, None]], 1).astype(np.float32)


@cache
def _candidates() -> tuple[Array, Array]:
    """Vertices of the face and neck, and the sums of their shares: where they are dense, as about
    the eyes, each has less.
    """
    shape = template()
    skin = np.unique(shape.triangles[shape.part == Part.SKIN])
    at = shape.base[skin]
    front = (at[:, 2] > 0.55) & (at[:, 1] > 5.5) & (at[:, 1] < 8.1)
    front &= (shape.lips[skin] < 0.1) & (shape.inside[skin] < 0.1) & (shape.eyelids[skin] < 0.1)
    at = at[front]
    cells = np.floor(at / 0.12).astype(int)
    _, which, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    return at, np.cumsum(1 / count[which.ravel()])


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _dots(points, seed, amount, blur, strength, out):
    """Disks of random sizes and densities, one at most in each cell of a lattice; they stay within
    half a cell of its middle, so that eight cells are enough.
    """
    half, one = np.float32(0.5), np.float32(1)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        bx, by, bz = int(np.floor(x - half)), int(np.floor(y - half)), int(np.floor(z - half))
        for c in range(8):
            cx, cy, cz = bx + (c & 1), by + ((c >> 1) & 1), bz + (c >> 2)
            if lattice(cx, cy, cz, seed) > 2 * amount - one:
                continue
            dx = x - cx - half - np.float32(0.25) * lattice(cx, cy, cz, seed + np.uint32(1))
            dy = y - cy - half - np.float32(0.25) * lattice(cx, cy, cz, seed + np.uint32(2))
            dz = z - cz - half - np.float32(0.25) * lattice(cx, cy, cz, seed + np.uint32(3))
            random = half + half * lattice(cx, cy, cz, seed + np.uint32(4))
            radius = np.float32(0.15) + np.float32(0.28) * random * random
            soft = np.float32(0.06) + half * blur
            inside = (radius + soft - np.sqrt(dx * dx + dy * dy + dz * dz)) / (2 * soft)
            inside = min(max(inside, np.float32(0)), one)
            dark = np.float32(0.20) + np.float32(0.5) * (one - random * random)
            kept = radius / (radius + half * blur)
            out[i] += strength * amount * dark * inside * kept * kept


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _disks(points, places, footprint, out):
    """Soft disks; one smaller than a sample keeps its area's strength."""
    for k in range(places.shape[0]):
        radius = places[k, 3]
        soft = max(np.float32(0.3) * radius, footprint)
        reach = radius + soft
        strength = places[k, 4] * min(np.float32(1), np.float32(2) * radius / footprint)
        for i in range(points.shape[0]):
            dy = points[i, 1] - places[k, 1]
            if abs(dy) > reach:
                continue
            dx, dz = points[i, 0] - places[k, 0], points[i, 2] - places[k, 2]
            distance = np.sqrt(dx * dx + dy * dy + dz * dz)
            if distance < reach:
                inside = min(np.float32(1), (reach - distance) / (np.float32(2) * soft))
                out[i] += strength * inside * inside * (np.float32(3) - np.float32(2) * inside)
