"""Hair as strands: how they grow over a head, hang, curl and gather into locks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .skull import Skull
from .vectors import lengths, unit

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
        lean: `[strand 3]`: to which side of its lock each lies; light sees locks as round.
    """

    points: Array
    color: Array
    width: Array
    lean: Array

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
        return unit(step, 1e-9)


def joined_strands(groups: list[Strands]) -> list[Strands]:
    """One per number of points, of those that have any."""
    found = []
    for size in sorted({group.points.shape[1] for group in groups if len(group.points)}):
        same = [group for group in groups if group.points.shape[1] == size and len(group.points)]
        found.append(
            Strands(
                *(np.concatenate([getattr(group, name) for group in same])
                  for name in ("points", "color", "width", "lean"))
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
    place, direction = roots, unit(normals * lift + comb(roots, 0.0), 1e-9)
    step = (length / (points - 1))[:, None]
    for k in range(1, points):
        share = k / (points - 1)
        want = comb(place, share)
        want[:, 1] -= gravity * share
        out = lengths(place)[:, None] + 1e-6
        outward = place / out
        height = out - skull.radius(outward)[:, None] - clearance[:, None]
        want = want - cling * np.clip(height / 0.06, 0, 1) * outward
        direction = unit(direction * stiffness + unit(want, 1e-9) * (1 - stiffness), 1e-9)
        place = place + direction * step
        place = skull.outside(place, clearance * min(1.0, 2.5 * share), reach)
        direction = unit(place - found[:, k - 1], 1e-9)
        found[:, k] = place
    return found
