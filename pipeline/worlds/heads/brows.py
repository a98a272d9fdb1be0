"""Eyebrows: hair strokes about a curve on the template."""

import numpy as np

from .factors import Skin
from .noise import noise

Array = np.ndarray

MIDDLE_X = np.array([0.04, 0.12, 0.22, 0.33, 0.42, 0.48, 0.56])
MIDDLE_Y = np.array([7.400, 7.428, 7.462, 7.478, 7.464, 7.436, 7.39])
"""The middle of a brow: through the landmarks' places."""
INNER = 0.085
"""|x| where a brow begins."""
STROKE = 0.0048
"""Decimetres between hairs; one is some ten times as long."""


def cover(rest: Array, skin: Skin, footprint: float) -> Array:
    """How much of a sample hair covers, `[point]` in [0, 1].

    Hairs stand nearly upright at the nose and lie along the brow at its tail; samples that are too
    coarse for strokes see their mean.
    """
    out = np.zeros(len(rest), np.float32)
    near = np.flatnonzero(np.abs(rest[:, 1] - 7.46) < 0.16)
    near = near[(np.abs(rest[near, 0]) < 0.6) & (rest[near, 2] > 0.6)]
    if not len(near):
        return out
    x, y, is_right = np.abs(rest[near, 0]), rest[near, 1], rest[near, 0] > 0
    outer = 0.455 + 0.075 * skin.brow_length
    s = (x - INNER) / (outer - INNER)
    arch = 0.020 * skin.brow_arch * np.exp(-(((x - 0.36) / 0.11) ** 2))
    up = y - np.interp(x, MIDDLE_X, MIDDLE_Y) - arch
    thick = np.interp(s, [-0.1, 0.05, 0.3, 0.65, 1.0], [0.62, 0.85, 1.0, 0.72, 0.25])
    half = (0.019 + 0.026 * skin.brow_thickness) * thick
    lean = np.interp(s, [0.0, 0.25, 0.6, 1.0], [0.15, 0.75, 1.2, 1.45])
    across = x * np.cos(lean) - up * np.sin(lean)
    along = x * np.sin(lean) + up * np.cos(lean)
    at = np.stack([across / STROKE, along / (10 * STROKE), is_right * 9.0], 1)
    fine = float(np.clip(1.35 * STROKE / footprint - 0.55, 0, 1))
    hairs = np.clip(0.5 + 0.8 * noise(at, skin.seed + 6), 0, 1) if fine > 0 else 0.5
    hairs = 0.5 + fine * (hairs - 0.5)
    edge = 0.016 + 0.5 * footprint
    inside = np.clip((half + 0.35 * edge - np.abs(up)) / edge, 0, 1)
    inside *= np.clip((s + 0.04) / 0.16, 0, 1) * np.clip((1.03 - s) / 0.25, 0, 1)
    dense = inside * (0.42 + 0.5 * skin.brow_density)
    out[near] = np.clip(1.7 * dense - 1.0 * hairs * inside**0.4, 0, 0.9)
    return out
