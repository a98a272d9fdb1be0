"""Stubble and the shadow of shaved beards, and the skin under longer ones."""

import numpy as np

from .face_zones import Zone
from .factors import BeardKind, Identity
from .noise import fractal

Array = np.ndarray

DOT = 0.012
"""Decimetres between hairs."""
UNDER_BEARD = 0.65
"""Stubble where strands grow."""


def cover(rest: Array, zone: Array, identity: Identity, footprint: float) -> Array:
    """How much of a sample whiskers cover, `[point]` in [0, 1]; the border is ragged."""
    skin, beard = identity.skin, identity.hair.beard
    under = {BeardKind.MOUSTACHE: (UNDER_BEARD, 0.0), BeardKind.GOATEE: (0.4, 0.3),
             BeardKind.FULL: (UNDER_BEARD, UNDER_BEARD)}.get(beard, (0.0, 0.0))  # fmt: skip
    lip, jaw = max(skin.stubble, under[0]), max(skin.stubble, under[1])
    if identity.physique.femininity > 0.5 or max(lip, jaw) <= 0:
        return np.zeros(len(rest), np.float32)
    grown = np.maximum(zone[:, Zone.MOUSTACHE] * lip, zone[:, Zone.BEARD] * jaw)
    some = np.flatnonzero(grown > 0.02)
    out = np.zeros(len(rest), np.float32)
    if not len(some):
        return out
    patchy = fractal(rest[some] * 9, skin.seed + 7, 2)
    place = np.maximum(zone[some, Zone.MOUSTACHE], zone[some, Zone.BEARD])
    inside = np.clip((place - 0.12 + 0.20 * patchy) / 0.85, 0, 1)
    strength = grown[some] / np.maximum(place, 1e-3)
    fine = float(np.clip(1.35 * DOT / footprint - 0.5, 0, 1))
    dots: Array = np.full(len(some), 0.5, np.float32)
    if fine > 0:
        stretched = rest[some] * np.array([1 / DOT, 0.45 / DOT, 1 / DOT], np.float32)
        dots = 0.5 + fine * 0.5 * fractal(stretched, skin.seed + 8, 1)
    short = 0.14 + 0.58 * strength**1.5
    out[some] = inside * inside * (3 - 2 * inside) * short * (0.55 + 0.9 * dots)
    return np.clip(out, 0, 0.9)
