"""Strands that run beside guides: they gather into clumps and locks, curl, stray, and have colour.

What is random about a strand is a hash of its root's number and the person's seed, so that a part
of the strands of a head are the same strands.
"""

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from numba import njit

from .noise import lattice
from .skull import Skull
from .strands import Strands
from .vectors import crossed, lengths, unit

Array = np.ndarray


@dataclass(frozen=True)
class Lock:
    """How strands differ from their guides; lengths in decimetres.

    Attributes:
        width: half the width of a strand where it is thickest.
        gather: share of their distance by which ends are drawn to the guide.
        clump: likewise to the middle of a clump.
        cell: the size of a clump.
        ragged: share by which lengths vary.
        stray: how far ends stray.
        curl: radius of curls.
        turns: of a curl in a decimetre.
        loose: in [0, 1]: 0 curls the strands of a lock together, 1 each for itself.
        frizz: how far strands wander on their way.
        tip: width of the tip, in widths.
    """

    width: float = 0.0032
    gather: float = 0.3
    clump: float = 0.5
    cell: float = 0.06
    ragged: float = 0.3
    stray: float = 0.03
    curl: float = 0.0
    turns: float = 1.0
    loose: float = 0.3
    frizz: float = 0.01
    tip: float = 0.35


@dataclass(frozen=True)
class Dye:
    """Colours of hair.

    Attributes:
        color, silver: of strands with pigment and of white ones, linear RGB `[3]`.
        grey: share of white strands.
        contrast: how much strands differ, in [0, 1]: pictures that show many strands in a pixel
            see their mean.
        tip: brightness of tips relative to the middle.
    """

    color: Array
    silver: Array
    grey: float
    contrast: float = 1.0
    tip: float = 1.12


@dataclass(frozen=True)
class Planted:
    """Where strands start.

    Attributes:
        places: `[strand 3]`, decimetres from the skull's middle.
        guides: `[strand]`: whose guide each follows.
        numbers: `[strand]`: what their randomness is a hash of.
        lengths: `[strand]`: in lengths of the guide, at most 1.
        fine: `[strand]`: thickness, 1 is a grown hair's.
    """

    places: Array
    guides: Array
    numbers: Array
    lengths: Array
    fine: Array


def strands_beside(
    paths: Array, depth: Array, planted: Planted, lock: Lock, dye: Dye, skull: Skull, seed: int
) -> Strands:
    """Strands beside guides.

    Args:
        paths: of the guides, `[guide point 3]`, decimetres from the skull's middle.
        depth: `[guide]`, in [0, 1]: 0 lies under all others, and is dark.
        planted: where strands start.
        lock: how they differ.
        dye: their colours.
        skull: turns decimetres into world units.
        seed: of the hashes.
    """
    paths = paths.astype(np.float32)
    along = np.gradient(paths, axis=1)
    side = unit(crossed(along, np.array([0.31, 0.2, 0.93], np.float32)), 1e-9)
    up = unit(crossed(along, side), 1e-9)
    steps = lengths(np.diff(paths, axis=1)).sum(1).astype(np.float32)
    count, points = len(planted.places), paths.shape[1]
    at = np.empty((count, points, 3), np.float32)
    color, width = np.empty_like(at), np.empty((count, points), np.float32)
    lean = np.empty((count, 3), np.float32)
    numbers = np.array(
        [lock.width, lock.gather, lock.clump, lock.cell, lock.ragged, lock.stray, lock.curl,
         lock.turns, lock.loose, lock.frizz, lock.tip, dye.grey, dye.contrast, dye.tip,
         skull.scale], np.float32,
    )  # fmt: skip
    _follow(
        paths, side.astype(np.float32), up.astype(np.float32), steps, depth.astype(np.float32),
        planted.places.astype(np.float32), planted.guides.astype(np.int64),
        planted.numbers.astype(np.int64), planted.lengths.astype(np.float32),
        planted.fine.astype(np.float32), numbers, dye.color.astype(np.float32),
        dye.silver.astype(np.float32), skull.middle.astype(np.float32), np.uint32(seed),
        at, color, width, lean,
    )  # fmt: skip
    return Strands(at, color, width, lean)


_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})


@_kernel
@no_type_check
def _follow(
    paths, side, up, steps, depth, places, guides, ids, lengths, fine, numbers, pigment, silver,
    middle, seed, at, color, width, lean,
):  # fmt: skip
    half, gather, clump, cell, ragged = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    stray, curl, turns, loose, frizz = numbers[5], numbers[6], numbers[7], numbers[8], numbers[9]
    tip, grey, contrast, bright_tip, scale = (
        numbers[10], numbers[11], numbers[12], numbers[13], numbers[14],
    )  # fmt: skip
    one, pi2 = np.float32(1), np.float32(2 * np.pi)
    last = paths.shape[1] - 1
    offset, center, aim = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    wander, tint = np.empty(3, np.float32), np.empty(3, np.float32)
    for i in range(places.shape[0]):
        g, n = guides[i], ids[i]
        cx = np.int64(np.floor(places[i, 0] / cell))
        cy = np.int64(np.floor(places[i, 1] / cell))
        cz = np.int64(np.floor(places[i, 2] / cell))
        for c in range(3):
            whole = cx if c == 0 else (cy if c == 1 else cz)
            shift = lattice(cx + 31 * c, cy, cz, seed)
            center[c] = (np.float32(whole) + np.float32(0.5) + np.float32(0.4) * shift) * cell
            offset[c] = places[i, c] - center[c]
            center[c] -= paths[g, 0, c]
            aim[c] = lattice(n, 1 + c, 0, seed)
            wander[c] = lattice(n, 5 + c, 0, seed)
        in_clump, in_lock = lattice(cx, cy, cz, seed + np.uint32(7)), lattice(g, 3, 7, seed)
        u, v, w = lattice(n, 9, 0, seed), lattice(n, 10, 0, seed), lattice(n, 11, 0, seed)
        short = (
            one - ragged * (np.float32(0.5) + np.float32(0.5) * in_clump) * np.float32(0.6)
        ) * (one - ragged * (np.float32(0.5) + np.float32(0.5) * u) * np.float32(0.7))
        length = lengths[i] * short
        far = stray * (np.float32(3.0) if v > np.float32(0.93) else one)
        phase = pi2 * (
            lattice(g, 5, 3, seed) * (one - loose)
            + loose * (np.float32(0.35) * in_clump + np.float32(0.65) * w)
        )
        rate = turns * steps[g] * (one + np.float32(0.3) * in_lock + np.float32(0.25) * loose * u)
        wiggle = pi2 * w
        bright = np.exp(
            np.float32(0.15) * in_lock
            + np.float32(0.22) * in_clump
            + contrast * np.float32(0.36) * v
        )
        white = grey
        is_white = one if np.float32(0.5) + np.float32(0.5) * u < grey else np.float32(0)
        white = grey + contrast * (is_white - grey)
        under = np.float32(0.55) + np.float32(0.45) * depth[g]
        thick = half * fine[i] * (one + np.float32(0.3) * w) * scale
        for c in range(3):
            warm = one + np.float32(0.06) * w * np.float32(1 - c)
            tint[c] = (pigment[c] * warm * (one - white) + silver[c] * white) * bright
            lean[i, c] = (offset[c] * np.float32(0.6) + center[c] * np.float32(0.8)) / cell
        for k in range(last + 1):
            t = np.float32(k) / np.float32(last)
            place = t * length * np.float32(last)
            j = min(int(place), last - 1)
            a = place - np.float32(j)
            gone = t * length
            to_lock = one - gather * gone * (np.float32(2) - gone)
            to_clump = one - clump * t * (np.float32(2) - t)
            wound = curl * min(one, np.float32(5) * gone)
            angle = phase + pi2 * rate * gone
            cosine, sine = np.cos(angle) * wound, np.sin(angle) * wound
            astray = far * t * np.sqrt(t)
            waving = (
                frizz
                * np.sin(wiggle + (np.float32(7) + np.float32(3) * u) * gone)
                * min(one, np.float32(4) * t)
            )
            shade = under + (one - under) * np.float32(0.4) * t
            shade *= np.float32(0.66) + np.float32(0.34) * min(one, np.float32(2.5) * gone)
            shade *= one + (bright_tip - one) * gone
            for c in range(3):
                guide = paths[g, j, c] + (paths[g, j + 1, c] - paths[g, j, c]) * a
                value = guide + center[c] * to_lock + offset[c] * to_clump
                value += side[g, j, c] * cosine + up[g, j, c] * sine
                value += aim[c] * astray + wander[c] * waving
                at[i, k, c] = value * scale + middle[c]
                color[i, k, c] = min(one, max(np.float32(0.002), tint[c] * shade))
            rise = min(one, np.float32(0.55) + np.float32(1.5) * t)
            width[i, k] = thick * rise * (one - (one - tip) * t * t * t)
