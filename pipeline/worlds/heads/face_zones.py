"""Where on a face things happen: soft zones in the template's space, as sums of smooth bumps.

A bump about a place c with radii r has the strength `s (1 - d²)²` with d = |(p - c) / r| < 1, and
is mirrored in x. All numbers were chosen by eye on the template.
"""

from enum import IntEnum
from typing import no_type_check

import numpy as np
from numba import njit

Array = np.ndarray


class Zone(IntEnum):
    """Columns of `zones`."""

    FLUSH, SHEEN, SOCKET, TROUGH, LID, MOUSTACHE, BEARD, FRECKLES, BLUSH, PALE = range(10)


BUMPS: tuple[tuple[Zone, tuple[float, ...], tuple[float, ...], float], ...] = (
    (Zone.FLUSH, (0.34, 6.98, 1.30), (0.34, 0.30, 0.60), 0.65),
    (Zone.FLUSH, (0.50, 6.96, 1.10), (0.36, 0.40, 0.60), 0.45),
    (Zone.FLUSH, (0.58, 7.10, 0.95), (0.30, 0.34, 0.50), 0.25),
    (Zone.FLUSH, (0.00, 6.92, 1.62), (0.27, 0.22, 0.40), 1.1),
    (Zone.FLUSH, (0.00, 6.32, 1.45), (0.24, 0.18, 0.40), 0.5),
    (Zone.FLUSH, (0.14, 6.86, 1.45), (0.10, 0.10, 0.25), 0.6),
    (Zone.FLUSH, (0.00, 7.62, 1.40), (0.40, 0.25, 0.60), 0.25),
    (Zone.FLUSH, (0.30, 7.27, 1.35), (0.26, 0.13, 0.30), 0.6),
    (Zone.SHEEN, (0.00, 7.72, 1.40), (0.55, 0.36, 0.70), 0.9),
    (Zone.SHEEN, (0.00, 7.05, 1.60), (0.15, 0.42, 0.35), 1.0),
    (Zone.SHEEN, (0.46, 7.08, 1.20), (0.24, 0.18, 0.50), 0.6),
    (Zone.SHEEN, (0.00, 6.32, 1.45), (0.20, 0.14, 0.40), 0.7),
    (Zone.SHEEN, (0.00, 8.25, 0.80), (0.70, 0.50, 1.00), 0.5),
    (Zone.SOCKET, (0.30, 7.31, 1.35), (0.27, 0.19, 0.35), 0.8),
    (Zone.SOCKET, (0.13, 7.29, 1.42), (0.10, 0.13, 0.25), 0.9),
    (Zone.TROUGH, (0.22, 7.17, 1.40), (0.19, 0.085, 0.30), 1.0),
    (Zone.TROUGH, (0.35, 7.18, 1.35), (0.17, 0.070, 0.30), 0.7),
    (Zone.LID, (0.30, 7.342, 1.38), (0.24, 0.072, 0.30), 1.3),
    (Zone.LID, (0.42, 7.342, 1.30), (0.13, 0.068, 0.30), 0.6),
    (Zone.MOUSTACHE, (0.07, 6.735, 1.55), (0.19, 0.105, 0.40), 1.5),
    (Zone.MOUSTACHE, (0.19, 6.715, 1.45), (0.17, 0.125, 0.40), 1.3),
    (Zone.MOUSTACHE, (0.29, 6.60, 1.40), (0.12, 0.20, 0.40), 1.0),
    (Zone.BEARD, (0.00, 6.31, 1.40), (0.38, 0.24, 0.55), 1.9),
    (Zone.BEARD, (0.00, 6.46, 1.55), (0.08, 0.10, 0.30), 0.8),
    (Zone.BEARD, (0.30, 6.37, 1.15), (0.34, 0.29, 0.60), 1.8),
    (Zone.BEARD, (0.54, 6.52, 0.85), (0.32, 0.38, 0.60), 1.7),
    (Zone.BEARD, (0.68, 6.78, 0.70), (0.26, 0.40, 0.48), 1.5),
    (Zone.BEARD, (0.73, 7.08, 0.62), (0.17, 0.36, 0.30), 1.4),
    (Zone.BEARD, (0.00, 6.12, 1.10), (0.60, 0.24, 0.60), 1.0),
    (Zone.FRECKLES, (0.30, 7.02, 1.40), (0.42, 0.26, 0.60), 1.0),
    (Zone.FRECKLES, (0.00, 7.05, 1.60), (0.25, 0.26, 0.40), 0.9),
    (Zone.FRECKLES, (0.00, 7.65, 1.35), (0.60, 0.35, 0.80), 0.35),
    (Zone.BLUSH, (0.38, 6.97, 1.20), (0.26, 0.20, 0.55), 0.55),
    (Zone.BLUSH, (0.50, 7.04, 1.10), (0.28, 0.22, 0.55), 0.60),
    (Zone.BLUSH, (0.61, 7.12, 0.95), (0.26, 0.20, 0.50), 0.45),
    (Zone.PALE, (0.00, 6.10, 0.90), (0.80, 0.45, 0.90), 0.7),
    (Zone.PALE, (0.30, 7.12, 1.38), (0.30, 0.16, 0.40), 0.4),
)
"""Zone, place, radii (decimetres), strength."""

_TABLE = np.array([[*place, *(1 / r for r in radii), strength]
                   for _, place, radii, strength in BUMPS], np.float32)  # fmt: skip
_ZONES = np.array([int(zone) for zone, *_ in BUMPS])
_LOWEST, _SLICE = np.float32(5.6), np.float32(0.05)
_SLICES = 66


def _bumps_of_slices() -> Array:
    """`[slice bump]`: the bumps that reach a slice of heights, then -1."""
    found = np.full((_SLICES, len(BUMPS)), -1)
    for k in range(_SLICES):
        low, high = _LOWEST + k * _SLICE, _LOWEST + (k + 1) * _SLICE
        here = [i for i, (_, place, radii, _) in enumerate(BUMPS)
                if place[1] - radii[1] < high and place[1] + radii[1] > low]  # fmt: skip
        found[k, : len(here)] = here
    return found


_HERE = _bumps_of_slices()


def zones(rest: Array) -> Array:
    """Strengths in [0, 1] `[point zone]` at places on the template."""
    out = np.zeros((len(rest), len(Zone)), np.float32)
    _fill(np.ascontiguousarray(rest, np.float32), _TABLE, _ZONES, _HERE, out)
    return out


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _fill(rest, table, zone, here, out):
    one = np.float32(1)
    for i in range(rest.shape[0]):
        x, y, z = abs(rest[i, 0]), rest[i, 1], rest[i, 2]
        part = int(np.floor((y - _LOWEST) / _SLICE))
        if part < 0 or part >= here.shape[0]:
            continue
        for j in range(here.shape[1]):
            k = here[part, j]
            if k < 0:
                break
            dy = (y - table[k, 1]) * table[k, 4]
            if dy * dy >= one:
                continue
            dx, dz = (x - table[k, 0]) * table[k, 3], (z - table[k, 2]) * table[k, 5]
            left = one - dx * dx - dy * dy - dz * dz
            if left > 0:
                out[i, zone[k]] += table[k, 6] * left * left
        for k in range(out.shape[1]):
            out[i, k] = min(out[i, k], one)
