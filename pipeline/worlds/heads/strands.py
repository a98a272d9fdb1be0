"""Hair as strands: how they grow over a head, hang, curl and gather into locks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from numba import njit

from .skull import Skull

Array = np.ndarray
SHOULDER_LONG = 1.2
"""Decimetres: shorter hair doesn't lie on shoulders."""
Field = Callable[[Array, float], Array]
"""Directions `[strand 3]` in which hair at `[strand 3]` is combed, at a share of its length."""


@dataclass(frozen=True)
class Strands:
    """Strands of equally many points, in the world.

    Attributes:
        points: `[strand point 3]`.
        color: `[strand point 3]`, linear RGB.
        width: half the width, world units, `[strand point]`.
    """

    points: Array
    color: Array
    width: Array

    @property
    def count(self) -> int:
        """Of points together."""
        return self.points.shape[0] * self.points.shape[1]

    def pieces(self) -> Array:
        """`[piece]`: the point at which each piece starts."""
        strand, point = self.points.shape[:2]
        first = np.arange(strand)[:, None] * point
        return (first + np.arange(point - 1)).ravel().astype(np.int32)

    def tangents(self) -> Array:
        """Unit `[strand point 3]`."""
        step = np.gradient(self.points, axis=1)
        return step / (np.linalg.norm(step, axis=2, keepdims=True) + 1e-9)


def joined_strands(groups: list[Strands]) -> list[Strands]:
    """One per number of points, of those that have any."""
    found = []
    for size in sorted({group.points.shape[1] for group in groups if len(group.points)}):
        same = [group for group in groups if group.points.shape[1] == size and len(group.points)]
        found.append(
            Strands(
                *(np.concatenate([getattr(group, name) for group in same])
                  for name in ("points", "color", "width"))
            )
        )  # fmt: skip
    return found


def grow(
    skull: Skull,
    roots: Array,
    normals: Array,
    comb: Field,
    length: Array,
    *,
    points: int,
    lift: float,
    gravity: float,
    stiffness: float,
    clearance: Array,
    cling: float,
) -> Array:
    """`[strand point 3]`, decimetres from the skull's middle.

    Args:
        skull: strands stay outside it by `clearance`.
        roots: `[strand 3]`.
        normals: `[strand 3]`: of the skin.
        comb: the directions.
        length: `[strand]`.
        points: of a strand.
        lift: how far strands start along the normal.
        gravity: how strongly they are drawn down, towards their ends.
        stiffness: in [0, 1): how much of a direction stays from step to step.
        clearance: `[strand]`: distance from the skin after the first steps.
        cling: how strongly hair above its clearance turns back to the head.
    """
    reach = 0.15 if length.mean() > SHOULDER_LONG else 0.0
    found = np.empty((len(roots), points, 3), np.float32)
    found[:, 0] = roots
    place, direction = roots, _unit(normals * lift + comb(roots, 0.0))
    step = (length / (points - 1))[:, None]
    for k in range(1, points):
        share = k / (points - 1)
        want = comb(place, share)
        want[:, 1] -= gravity * share
        out = np.linalg.norm(place, axis=1, keepdims=True) + 1e-6
        outward = place / out
        height = out - skull.radius(outward)[:, None] - clearance[:, None]
        want = want - cling * np.clip(height / 0.06, 0, 1) * outward
        direction = _unit(direction * stiffness + _unit(want) * (1 - stiffness))
        place = place + direction * step
        place = skull.outside(place, clearance * min(1.0, 2.5 * share), reach)
        direction = _unit(place - found[:, k - 1])
        found[:, k] = place
    return found


def children(
    guides: Array, roots: Array, lengths: Array, share: float, random: np.random.Generator
) -> Array:
    """`[strand point 3]`: strands at `roots` that run beside the nearest guide and near its end
    gather about it.

    Args:
        guides: `[guide point 3]`.
        roots: `[strand 3]`.
        lengths: `[strand]`: of a strand in lengths of its guide, at most about 1.
        share: of their distance by which ends are drawn to the guide.
        random: strays.
    """
    nearest = _nearest(roots, guides[:, 0])
    t = np.linspace(0, 1, guides.shape[1], dtype=np.float32)[None, :, None]
    offset = (roots - guides[nearest, 0])[:, None] * (1 - share * t)
    stray = random.normal(0, 0.035, (len(roots), 1, 3)).astype(np.float32) * t**1.5
    ran = guides[nearest]
    size = lengths.astype(np.float32)[:, None, None]
    return ran[:, :1] + (ran - ran[:, :1]) * size + offset + stray * size


def curled(strands: Array, size: float | Array, turns: float, random: np.random.Generator) -> Array:
    """Winds strands into helices of a radius (decimetres)."""
    tangent = _unit(np.gradient(strands, axis=1))
    side = _unit(np.cross(tangent, np.array([0.31, 0.2, 0.93], np.float32)))
    up = np.cross(tangent, side)
    phase = random.random(len(strands)) * 2 * np.pi
    rate = turns * (1 + 0.3 * random.normal(0, 1, len(strands)))
    along = np.linspace(0, 1, strands.shape[1])
    angle = phase[:, None] + 2 * np.pi * rate[:, None] * along
    radius = np.reshape(size, (-1, 1)) * np.minimum(1, along * 4)
    wound = side * np.cos(angle)[..., None] + up * np.sin(angle)[..., None]
    return (strands + wound * radius[..., None]).astype(np.float32)


def _nearest(points: Array, guides: Array) -> Array:
    """`[point]`: the number of the nearest guide."""
    out = np.empty(len(points), np.int64)
    _find_nearest(points.astype(np.float32), guides.astype(np.float32), out)
    return out


@njit(cache=True, nogil=True)
@no_type_check
def _find_nearest(points, guides, out):
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        best, found = np.float32(1e9), 0
        for j in range(guides.shape[0]):
            dx, dy, dz = guides[j, 0] - x, guides[j, 1] - y, guides[j, 2] - z
            squared = dx * dx + dy * dy + dz * dz
            if squared < best:
                best, found = squared, j
        out[i] = found


def _unit(vectors: Array) -> Array:
    return vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9)
