"""Wrinkles: lines on the template's face as heights, deeper with age and with expressions.

The lines are drawn once into maps over (|x|, y) of the neutral template, one per group, with their
slopes; a person's face reads the weighted sum. Places were chosen by eye on the template.
"""

from enum import IntEnum
from functools import cache
from typing import no_type_check

import numpy as np
from numba import njit

from .factors import Expression, Skin

Array = np.ndarray


class Crease(IntEnum):
    """Groups of lines."""

    FOREHEAD, FROWN, CROW, BAG, NOSE, MOUTH, LIP, NECK = range(8)


STEP = 0.006
"""Decimetres between the finest map's texels; each further level is twice as coarse."""
LEVELS = 3
LEFT, BOTTOM, WIDTH, HEIGHT = -0.06, 5.40, 0.84, 2.72
"""Decimetres: of the maps."""
FRONT = 0.55
"""z below which there are no creases."""

Line = tuple[tuple[tuple[float, float], ...], float, float]
LINES: dict[Crease, tuple[Line, ...]] = {
    Crease.FOREHEAD: tuple(
        (((-0.06, y - 0.006), (0.10, y + 0.004), (0.24, y + 0.016), (0.40, y - 0.002),
          (0.46 - 0.1 * k, y - 0.03)), 0.016, depth)
        for k, (y, depth) in enumerate(((7.60, 0.8), (7.70, 1.0), (7.81, 0.9), (7.92, 0.6)))
    ),
    Crease.FROWN: (
        (((0.058, 7.36), (0.062, 7.44), (0.075, 7.54)), 0.016, 1.0),
        (((0.118, 7.42), (0.128, 7.47), (0.15, 7.53)), 0.016, 0.5),
        (((0.0, 7.275), (0.05, 7.27), (0.09, 7.25)), 0.014, 0.5),
    ),
    Crease.CROW: (
        (((0.462, 7.305), (0.52, 7.345), (0.60, 7.405)), 0.011, 0.8),
        (((0.466, 7.29), (0.54, 7.305), (0.63, 7.335)), 0.011, 1.0),
        (((0.462, 7.275), (0.53, 7.255), (0.62, 7.245)), 0.011, 1.0),
        (((0.45, 7.255), (0.51, 7.20), (0.58, 7.145)), 0.011, 0.7),
    ),
    Crease.BAG: (
        (((0.16, 7.225), (0.21, 7.195), (0.28, 7.182), (0.36, 7.19), (0.43, 7.225)), 0.014, 0.8),
        (((0.15, 7.20), (0.20, 7.145), (0.28, 7.115), (0.38, 7.125)), 0.022, 1.0),
        (((0.19, 7.165), (0.25, 7.155), (0.33, 7.16)), 0.011, 0.4),
    ),
    Crease.NOSE: (
        (((0.165, 6.96), (0.205, 6.90), (0.25, 6.81), (0.295, 6.71), (0.325, 6.60)), 0.026, 1.5),
    ),
    Crease.MOUTH: (
        (((0.275, 6.595), (0.305, 6.52), (0.315, 6.42), (0.30, 6.34)), 0.022, 1.0),
        (((0.36, 6.72), (0.385, 6.60), (0.38, 6.48)), 0.018, 0.5),
        (((-0.05, 6.415), (0.05, 6.418), (0.13, 6.435)), 0.022, 0.6),
    ),
    Crease.LIP: tuple(
        (((x, 6.70), (x * 1.12, 6.79)), 0.008, 0.6) for x in (0.035, 0.075, 0.115, 0.155, 0.195)
    ) + tuple((((x, 6.50), (x * 1.1, 6.43)), 0.008, 0.4) for x in (0.05, 0.11, 0.17)),
    Crease.NECK: tuple(
        (((-0.06, y), (0.2, y + 0.025), (0.45, y + 0.10), (0.62, y + 0.2)), 0.026, depth)
        for y, depth in ((5.93, 0.8), (5.74, 1.0), (5.60, 0.7))
    ),
}  # fmt: skip
"""Points (|x|, y), width (decimetres), depth; the depth's unit is a slope of about 1."""

AGED = {Crease.FOREHEAD: 0.16, Crease.FROWN: 0.16, Crease.CROW: 0.30, Crease.BAG: 0.26,
        Crease.NOSE: 0.20, Crease.MOUTH: 0.26, Crease.LIP: 0.22, Crease.NECK: 0.30}  # fmt: skip
"""Weights of a face with all wrinkles at rest."""
YOUNG = {Crease.NOSE: 0.035, Crease.BAG: 0.03, Crease.NECK: 0.03}
"""Weights of a face without wrinkles."""
MOVED = {
    Crease.FOREHEAD: (("browInnerUp", 0.22), ("browOuterUpLeft", 0.08), ("browOuterUpRight", 0.08)),
    Crease.FROWN: (("browDownLeft", 0.16), ("browDownRight", 0.16)),
    Crease.CROW: (("cheekSquintLeft", 0.12), ("cheekSquintRight", 0.12),
                  ("eyeSquintLeft", 0.07), ("eyeSquintRight", 0.07)),
    Crease.BAG: (("cheekSquintLeft", 0.07), ("cheekSquintRight", 0.07)),
    Crease.NOSE: (("mouthSmileLeft", 0.15), ("mouthSmileRight", 0.15)),
}  # fmt: skip
"""What facial actions add; on a young face a fifth of it, but for the fold beside the nose."""


def crease_weights(skin: Skin, expression: Expression) -> Array:
    """`[crease]`: how deep the lines of each group are."""
    weights = np.zeros(len(Crease), np.float32)
    for group in Crease:
        rest = (1 - skin.wrinkles) * YOUNG.get(group, 0.0) + skin.wrinkles * AGED[group]
        moved = sum(k * expression.actions.get(name, 0.0) for name, k in MOVED.get(group, ()))
        young = 0.6 if group == Crease.NOSE else 0.2
        weights[group] = rest + moved * (young + (1 - young) * skin.wrinkles)
    return weights


def creases(rest: Array, weights: Array, footprint: float) -> Array:
    """The creases' height, in units of their slopes' width, and its derivatives in x and y.

    Args:
        rest: places on the template `[point 3]`.
        weights: of `crease_weights`.
        footprint: decimetres across a sample: chooses the map's level.

    Returns:
        `[point 3]`: depth (about 0 to -1), slope in x, slope in y.
    """
    level = int(np.clip(np.log2(max(footprint, 1e-6) / STEP), 0, LEVELS - 1))
    out = np.zeros((len(rest), 3), np.float32)
    points = np.ascontiguousarray(rest, np.float32)
    own = np.tensordot(weights, crease_maps()[level], 1)
    _read(points, own, np.float32(STEP * 2**level), out)
    return out


@cache
def crease_maps() -> tuple[Array, ...]:
    """`[crease row column 3]` of each level."""
    rows, columns = round(HEIGHT / STEP), round(WIDTH / STEP)
    y, x = np.meshgrid(
        BOTTOM + (np.arange(rows) + 0.5) * STEP, LEFT + (np.arange(columns) + 0.5) * STEP,
        indexing="ij",
    )  # fmt: skip
    finest = np.zeros((rows, columns, len(Crease), 3), np.float32)
    for group, lines in LINES.items():
        for points, width, depth in lines:
            height = _line(x, y, points, width, depth)
            along_y, along_x = np.gradient(height * width, STEP)
            finest[..., group, 0] += height
            finest[..., group, 1] += along_x
            finest[..., group, 2] += along_y
    levels: list[Array] = [finest]
    for _ in range(LEVELS - 1):
        last = levels[-1]
        last = last[: len(last) // 2 * 2, : last.shape[1] // 2 * 2]
        levels.append((last[::2, ::2] + last[1::2, ::2] + last[::2, 1::2] + last[1::2, 1::2]) / 4)
    return tuple(np.ascontiguousarray(level.transpose(2, 0, 1, 3), np.float32) for level in levels)


def _line(x: Array, y: Array, points, width: float, depth: float) -> Array:  # type: ignore[no-untyped-def]
    """A groove along a polyline that ends softly, with small ridges beside it."""
    knots = np.asarray(points, float)
    lengths = np.linalg.norm(np.diff(knots, axis=0), axis=1)
    total, start = lengths.sum(), 0.0
    nearest, place = np.full(x.shape, 1e9), np.zeros(x.shape)
    for a, b, length in zip(knots[:-1], knots[1:], lengths, strict=True):
        ux, uy = (b - a) / length
        t = np.clip((x - a[0]) * ux + (y - a[1]) * uy, 0, length)
        distance = np.hypot(x - a[0] - t * ux, y - a[1] - t * uy)
        closer = distance < nearest
        nearest = np.where(closer, distance, nearest)
        place = np.where(closer, (start + t) / total, place)
        start += length
    open_start = 0.0 if knots[0][0] < 0 else 1.0
    fade = np.clip(1 - (np.abs(place - 0.5 * open_start) / (1 - 0.5 * open_start)) ** 3, 0, 1)
    u = (nearest / width) ** 2
    return -depth * fade * (1.25 * np.exp(-u) - 0.25 * np.exp(-u / 4))


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _read(points, texels, step, out):
    rows, columns = texels.shape[0], texels.shape[1]
    for i in range(points.shape[0]):
        front = min((points[i, 2] - np.float32(FRONT)) * np.float32(5), np.float32(1))
        if front <= 0:
            continue
        sign = np.float32(1) if points[i, 0] >= 0 else np.float32(-1)
        u = (abs(points[i, 0]) - np.float32(LEFT)) / step - np.float32(0.5)
        v = (points[i, 1] - np.float32(BOTTOM)) / step - np.float32(0.5)
        column, row = int(np.floor(u)), int(np.floor(v))
        if column < 0 or row < 0 or column >= columns - 1 or row >= rows - 1:
            continue
        fu, fv = u - np.float32(column), v - np.float32(row)
        for dr in range(2):
            for dc in range(2):
                share = (fu if dc else 1 - fu) * (fv if dr else 1 - fv) * front
                for k in range(3):
                    out[i, k] += share * texels[row + dr, column + dc, k]
        out[i, 1] *= sign
