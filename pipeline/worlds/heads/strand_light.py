"""What the visible samples of strands are: place, direction, colour, and the light there.

Only strands that a view shows gather light, at their middle and end; roots have three fifths of it.
"""

from typing import no_type_check

import numpy as np
from numba import njit

from .light import Illumination, environment_at, key_at
from .strands import Strands

Array = np.ndarray
SOFTNESS = 0.03
"""World units; see `environment_at`."""
ROUND = np.float32(0.5)
"""How strongly locks look round."""


def strand_samples(
    group: Strands, pieces: Array, along: Array, middle: Array, lights: Illumination
) -> Array:
    """`[sample 16]`: position, unit tangent, hairdo's unit normal, colour, irradiance, share of the
    key light.

    Args:
        group: the strands.
        pieces: `[sample]`: the point at which each piece starts, as of `Strands.pieces`.
        along: `[sample]`: place on the piece, in [0, 1].
        middle: of the head: the hairdo's normals point away from it.
        lights: the scene's.
    """
    size = group.points.shape[1]
    strand = pieces // size
    seen = np.zeros(len(group.points), bool)
    seen[strand] = True
    used = np.flatnonzero(seen)
    row = np.zeros(len(group.points), np.int64)
    row[used] = np.arange(len(used))
    places = np.empty((2 * len(used), 3), np.float32)
    normals = np.empty_like(places)
    middle = middle.astype(np.float32)
    _knots(group.points, used, middle, places, normals)
    around, _ = environment_at(lights, places, normals, SOFTNESS, 2)
    share = key_at(lights, places, normals, SOFTNESS)
    light = np.concatenate([around, share[:, None]], 1).reshape(-1, 2, 4)
    out = np.zeros((len(pieces), 16), np.float32)
    _samples(
        group.points, group.color, group.lean, light, row[strand], strand, pieces % size,
        along.astype(np.float32), middle, out,
    )  # fmt: skip
    return out


_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})


@_kernel
@no_type_check
def _frame(points, strand, k, middle, tangent, outward):
    """Unit tangent at a point of a strand, and the unit direction away from the head across it."""
    before, after = max(k - 1, 0), min(k + 1, points.shape[1] - 1)
    length, inside = np.float32(1e-12), np.float32(0)
    for c in range(3):
        tangent[c] = points[strand, after, c] - points[strand, before, c]
        length += tangent[c] * tangent[c]
    length = np.sqrt(length)
    for c in range(3):
        tangent[c] /= length
        outward[c] = points[strand, k, c] - middle[c]
        inside += outward[c] * tangent[c]
    length = np.float32(1e-12)
    for c in range(3):
        outward[c] -= inside * tangent[c]
        length += outward[c] * outward[c]
    length = np.sqrt(length)
    for c in range(3):
        outward[c] /= length


@_kernel
@no_type_check
def _knots(points, used, middle, places, normals):
    size = points.shape[1]
    tangent, outward = np.empty(3, np.float32), np.empty(3, np.float32)
    for i in range(used.shape[0]):
        for j in range(2):
            k = size - 1 if j else size // 2
            _frame(points, used[i], k, middle, tangent, outward)
            for c in range(3):
                places[2 * i + j, c] = points[used[i], k, c]
                normals[2 * i + j, c] = outward[c]


@_kernel
@no_type_check
def _samples(points, color, lean, light, row, strand, first, along, middle, out):
    size = points.shape[1]
    one, two, root = np.float32(1), np.float32(2), np.float32(0.4)
    tangent, outward = np.empty(3, np.float32), np.empty(3, np.float32)
    for i in range(strand.shape[0]):
        s = strand[i]
        for end in range(2):
            k = first[i] + end
            weight = along[i] if end else one - along[i]
            _frame(points, s, k, middle, tangent, outward)
            t = np.float32(k) / np.float32(size - 1)
            low, high = max(one - two * t, np.float32(0)), max(two * t - one, np.float32(0))
            for c in range(3):
                out[i, c] += weight * points[s, k, c]
                out[i, 3 + c] += weight * tangent[c]
                out[i, 6 + c] += weight * (outward[c] + ROUND * lean[s, c])
                out[i, 9 + c] += weight * color[s, k, c]
            for c in range(4):
                middle_, end_ = light[row[i], 0, c], light[row[i], 1, c]
                out[i, 12 + c] += weight * (middle_ * (one - high - root * low) + end_ * high)
        for first_column in (3, 6):
            length = np.float32(1e-12)
            for c in range(3):
                length += out[i, first_column + c] ** 2
            length = np.sqrt(length)
            for c in range(3):
                out[i, first_column + c] /= length
