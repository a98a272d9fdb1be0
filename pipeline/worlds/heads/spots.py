"""Freckles, moles and age spots: extra melanin at places on the template."""

from functools import lru_cache
from typing import no_type_check

import numpy as np
from numba import njit

from .factors import Skin
from .noise import noise
from .part import Part
from .template import template

Array = np.ndarray

FRECKLE = 0.017
"""Decimetres across a freckle."""


def freckles(rest: Array, skin: Skin, footprint: float) -> Array:
    """Density of melanin `[point]`; where samples are too coarse, its mean."""
    fine = float(np.clip(1.6 * FRECKLE / footprint - 0.6, 0, 1))
    mean = 0.16 * skin.freckles
    if fine <= 0:
        return np.full(len(rest), mean, np.float32)
    cells = noise(rest * (1 / FRECKLE), skin.seed + 3)
    cells += 0.6 * noise(rest * (0.45 / FRECKLE), skin.seed + 4)
    spotted = np.clip((cells - 0.52 + 0.3 * skin.freckles) * 3.5, 0, 1)
    return (0.50 * skin.freckles * spotted) * fine + mean * (1 - fine)


def moles(rest: Array, skin: Skin, footprint: float) -> Array:
    """Density of melanin `[point]` of moles and age spots."""
    places = _places(skin.seed, round(9 * skin.moles**2), round(14 * skin.spots), skin.tone)
    out = np.zeros(len(rest), np.float32)
    if len(places):
        _disks(np.ascontiguousarray(rest, np.float32), places, np.float32(footprint), out)
    return out


@lru_cache(maxsize=64)
def _places(seed: int, moles: int, spots: int, tone: float) -> Array:
    """`[spot 5]`: place, radius, density."""
    random = np.random.default_rng(seed + 5)
    shape = template()
    skin = np.unique(shape.triangles[shape.part == Part.SKIN])
    at = shape.base[skin]
    front = (at[:, 2] > 0.55) & (at[:, 1] > 5.5) & (at[:, 1] < 8.1)
    front &= (shape.lips[skin] < 0.1) & (shape.inside[skin] < 0.1) & (shape.eyelids[skin] < 0.1)
    at = at[front]
    # Vertices are dense at eyes and mouth: one is taken with the inverse of their number about it.
    cells = np.floor(at / 0.12).astype(int)
    _, which, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    share = 1 / count[which.ravel()]
    chosen = random.choice(len(at), moles + spots, p=share / share.sum())
    places = at[chosen] + random.normal(0, 0.02, (moles + spots, 3))
    is_mole = np.arange(moles + spots) < moles
    radius = np.where(is_mole, random.uniform(0.006, 0.016, moles + spots),
                      random.uniform(0.02, 0.05, moles + spots))  # fmt: skip
    density = np.where(is_mole, random.uniform(0.7, 1.8, moles + spots),
                       random.uniform(0.15, 0.45, moles + spots))  # fmt: skip
    density = density * (1 - 0.05 * tone)
    return np.concatenate([places, radius[:, None], density[:, None]], 1).astype(np.float32)


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
