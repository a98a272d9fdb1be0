"""Make-up and face paint on the skin."""

import numpy as np

from .face_zones import Zone
from .factors import PaintKind, Skin
from .material import Surface
from .noise import fractal

Array = np.ndarray

ROUGE = np.array([0.55, 0.16, 0.15], np.float32)
INK = np.array([0.015, 0.012, 0.012], np.float32)
LASH_X = np.array([0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.44, 0.50])
UPPER_Y = np.array([7.272, 7.308, 7.325, 7.332, 7.329, 7.316, 7.300, 7.325])
LOWER_Y = np.array([7.262, 7.250, 7.243, 7.238, 7.240, 7.252, 7.278, 7.300])
"""The lids' borders on the template, |x| and y."""


def powdered(albedo: Array, rest: Array, zone: Array, skin: Skin) -> Array:
    """With rouge, eye shadow, and a line along the lashes."""
    rouge = ROUGE * (skin.albedo.mean() / ROUGE.mean()) * np.array([1.15, 0.9, 0.95], np.float32)
    albedo = _covered(albedo, 0.30 * skin.blush, zone[:, Zone.BLUSH], rouge)
    shadow = 0.7 * skin.eyeshadow_color
    albedo = _covered(albedo, 0.75 * skin.eyeshadow, zone[:, Zone.LID], shadow)
    return _lined(albedo, rest, skin)


def _covered(albedo: Array, strength: float, zone: Array, color: Array) -> Array:
    if strength <= 0:
        return albedo
    rows = np.flatnonzero(zone > 0)
    cover = (np.float32(strength) * zone[rows])[:, None]
    albedo = albedo.copy()
    albedo[rows] += cover * (color.astype(np.float32) - albedo[rows])
    return albedo


def _lined(albedo: Array, rest: Array, skin: Skin) -> Array:
    """With the dark line of the lashes' roots, and liner."""
    rows = np.flatnonzero(np.abs(rest[:, 1] - 7.28) < 0.08)
    x, y = np.abs(rest[rows, 0]), rest[rows, 1]
    near = (x > 0.13) & (x < 0.50) & (rest[rows, 2] > 1)
    rows, x, y = rows[near], x[near], y[near]
    ends = np.clip((x - 0.17) / 0.05, 0, 1) * np.clip((0.47 - x) / 0.04, 0, 1)
    upper = np.clip(1.4 - np.abs(y - np.interp(x, LASH_X, UPPER_Y)) / 0.012, 0, 1)
    lower = np.clip(1.4 - np.abs(y - np.interp(x, LASH_X, LOWER_Y)) / 0.009, 0, 1)
    natural = 0.25 + 0.35 * skin.lashes
    upper *= max(natural, 0.9 * skin.liner)
    lower *= max(0.35 * natural, 0.6 * skin.liner)
    ink = INK + (1 - skin.liner) * 0.35 * skin.brow
    albedo = albedo.copy()
    albedo[rows] += (np.maximum(upper, lower) * ends)[:, None] * (ink - albedo[rows])
    return albedo


def painted(albedo: Array, surface: Surface, skin: Skin) -> Array:
    """With face paint, worn at its edges."""
    if skin.paint == PaintKind.NONE:
        return albedo
    x, y, z = surface.rest.T
    worn = 0.03 * fractal(surface.rest * 14, skin.seed + 11, 2)
    front = z > 0.45
    if skin.paint == PaintKind.STRIPES:
        slanted = y - 0.25 * np.abs(x)
        line = np.minimum(np.abs(slanted - 6.92), np.abs(slanted - 6.80))
        inside = np.minimum(0.035 - line, np.minimum(np.abs(x) - 0.24, 0.60 - np.abs(x)))
    elif skin.paint == PaintKind.BAND:
        inside = np.minimum(y - 7.16, 7.42 - y)
    else:
        inside = np.minimum(x, y - 6.15)
    cover = 0.88 * front * np.clip((inside + worn) / 0.02 + 0.5, 0, 1)
    return albedo + cover[:, None] * (skin.paint_color * 0.8 - albedo)
