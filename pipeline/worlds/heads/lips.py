"""Lips: their border, creases and gloss, and lipstick."""

from dataclasses import dataclass

import numpy as np

from .factors import Skin
from .material import Surface
from .noise import fractal, noise

Array = np.ndarray

SEAM = 6.603
"""y where the template's lips meet."""
CREASE = 0.020
"""Decimetres between a lip's vertical creases."""


@dataclass(frozen=True)
class Lips:
    """`[point]` cover in [0, 1] and roughness, `[point 3]` linear colour and slope."""

    cover: Array
    color: Array
    roughness: Array
    slope: Array


def lips(surface: Surface, mask: Array, skin: Skin, footprint: float) -> Lips:
    """The lips' material and how much of each sample they are."""
    count = len(mask)
    color = np.broadcast_to(skin.lip, (count, 3)).astype(np.float32).copy()
    slope, cover = np.zeros((count, 3), np.float32), np.zeros(count, np.float32)
    roughness = np.full(count, 0.40 - 0.18 * skin.gloss, np.float32)
    rows = np.flatnonzero(mask > 0.05)
    if not len(rows):
        return Lips(cover, color, roughness, slope)
    rest = surface.rest[rows]
    uneven = fractal(rest * 16, skin.seed + 9, 2)
    edge = np.clip((mask[rows] + 0.10 * uneven - 0.28) / 0.42, 0, 1)
    bare = edge * edge * (3 - 2 * edge)
    crisp = np.clip((mask[rows] - 0.38) / 0.2, 0, 1)
    cover[rows] = np.maximum(bare * (0.86 + 0.08 * uneven), crisp * skin.lipstick)
    above = np.clip((rest[:, 1] - SEAM) / 0.03 + 0.5, 0, 1)
    shade = (1 - 0.16 * above) * (0.62 + 0.38 * np.clip(np.abs(rest[:, 1] - SEAM) / 0.045, 0, 1))
    fine = float(np.clip(1.3 * CREASE / footprint - 0.5, 0, 1))
    if fine > 0:
        at = rest * np.array([1 / CREASE, 0.16 / CREASE, 0.16 / CREASE], np.float32)
        here = noise(at, skin.seed + 10)
        there = noise(at + np.array([0.25, 0, 0], np.float32), skin.seed + 10)
        slope[rows, 0] = fine * (0.16 - 0.08 * skin.gloss) * (there - here) / 0.25 * crisp
        shade = shade * (1 + fine * 0.10 * here)
    painted = skin.lip + (skin.lipstick_color - skin.lip) * skin.lipstick
    color[rows] = painted * (shade * (1 + 0.08 * uneven))[:, None]
    return Lips(cover, color, roughness, slope)
