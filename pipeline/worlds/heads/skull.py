"""The head as a distance from its middle in every direction, so that hair, hats and scarves stay
outside of it; and places on the scalp and the jaw where hair grows.
"""

from dataclasses import dataclass
from functools import cache
from typing import no_type_check

import numpy as np
from numba import njit

from .noise import fractal
from .part import Part
from .shape import HeadShape
from .template import template
from .vectors import lengths

Array = np.ndarray
MIDDLE = np.array([0.0, 7.42, 0.28], np.float32)
"""Of the template's head, decimetres."""
ROWS, COLUMNS = 28, 40
STEEP = 0.2
"""Decimetres."""
ROOTS, SITES, NEIGHBOURS = 16000, 1000, 24
"""Places where hair may grow; the first are where guides may; of those the nearest are known."""


@dataclass(frozen=True)
class Skull:
    """One head's distances. Points are decimetres from its middle, y up, z to the face.

    Attributes:
        middle: in the world.
        scale: world units per decimetre.
        near: `[ROWS, COLUMNS]`: where the skin is left first, over the polar angle from the top
            and the azimuth.
        far: likewise, where it is left last: shoulders beyond the neck.
    """

    middle: Array
    scale: float
    near: Array
    far: Array

    def to_local(self, world: Array) -> Array:
        """Decimetres of world points."""
        return (world - self.middle) / self.scale

    def to_world(self, local: Array) -> Array:
        """The inverse."""
        return (local * self.scale + self.middle).astype(np.float32)

    def radius(self, directions: Array) -> Array:
        """Distance of the first surface in unit directions `[… 3]`."""
        row, column = _cells(directions)
        out = np.empty(row.shape)
        _looked_up(row.ravel(), column.ravel(), self.near, out.reshape(-1))
        return out

    def outside(self, places: Array, clearance: Array, most: float = 0.15) -> Array:
        """Places `[place 3]`, those within `clearance` of the skin or inside of it moved outward.

        Beyond the neck, only what is at most `most` below the shoulders is moved. What is deeper
        than `STEEP` lies where the surface ends (the nape), not in it.
        """
        out = lengths(places) + 1e-6
        outward = places / out[:, None]
        row, column = _cells(outward)
        moved = np.empty(len(places))
        _moved(row, column, self.near, self.far, out, clearance, most, moved)
        return outward * moved[:, None]


def _cells(directions: Array) -> tuple[Array, Array]:
    """Places `[…]` on the grid of distances: rows, and columns from -COLUMNS / 2 on."""
    polar = np.arccos(np.clip(directions[..., 1], -1, 1)) * ((ROWS - 1) / np.pi)
    azimuth = np.arctan2(directions[..., 0], directions[..., 2]) * (COLUMNS / (2 * np.pi))
    return polar, azimuth


_kernel = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
@no_type_check
def _at(polar, azimuth, radii):
    """A grid's value, bilinearly."""
    if azimuth < 0:
        azimuth += type(azimuth)(COLUMNS)
    row, column = min(int(polar), ROWS - 2), int(azimuth) % COLUMNS
    after = (column + 1) % COLUMNS
    v, u = polar - row, azimuth - np.floor(azimuth)
    left = type(azimuth)(1) - u
    found = (1 - v) * left * radii[row, column]
    found += (1 - v) * u * radii[row, after]
    found += v * left * radii[row + 1, column]
    return found + v * u * radii[row + 1, after]


@_kernel
@no_type_check
def _looked_up(polar, azimuth, radii, out):
    for i in range(out.shape[0]):
        out[i] = _at(polar[i], azimuth[i], radii)


@_kernel
@no_type_check
def _moved(polar, azimuth, near, far, out, clearance, most, moved):
    for i in range(out.shape[0]):
        inside = _at(polar[i], azimuth[i], near) + clearance[i] - out[i]
        moved[i] = out[i] + (max(inside, 0.0) if inside < STEEP else 0.0)
        wanted = _at(polar[i], azimuth[i], far) + clearance[i]
        if 0 < wanted - moved[i] < most:
            moved[i] = wanted


@cache
def grid_directions() -> Array:
    """`[ROWS, COLUMNS, 3]`."""
    polar = np.linspace(0, np.pi, ROWS)[:, None]
    azimuth = np.arange(COLUMNS)[None] * 2 * np.pi / COLUMNS
    return np.stack(
        [
            np.sin(polar) * np.sin(azimuth),
            np.broadcast_to(np.cos(polar), (ROWS, COLUMNS)),
            np.sin(polar) * np.cos(azimuth),
        ],
        -1,
    ).astype(np.float32)


@cache
def _hits() -> tuple[Array, Array]:
    """For each direction, the template's triangles that it leaves first and last, `[2 direction
    3]`, and the weights of their corners.

    Ears don't count; where there are only ears, the direction next to it stands in.
    """
    base = template()
    allowed = (base.part == Part.SKIN) & (base.ears[base.triangles] < 0.3).all(1)
    allowed &= (base.inside[base.triangles] < 0.3).all(1)
    triangles = base.triangles[allowed]
    a, b, c = (base.base[triangles[:, k]] - MIDDLE for k in range(3))
    found: list[list[Array]] = [[], []]
    weights: list[list[Array]] = [[], []]
    for direction in grid_directions().reshape(-1, 3):
        p = np.cross(direction, c - a)
        inverse = 1 / np.where(np.abs(d := ((b - a) * p).sum(1)) < 1e-9, 1e-9, d)
        u = (-a * p).sum(1) * inverse
        q = np.cross(-a, b - a)
        v = (q @ direction) * inverse
        t = (q * (c - a)).sum(1) * inverse
        hit = (u >= -1e-4) & (v >= -1e-4) & (u + v <= 1.0002) & (t > 0.2)
        for k, best in enumerate((np.where(hit, t, 1e9).argmin(), np.where(hit, t, -1).argmax())):
            if hit[best]:
                found[k].append(triangles[best])
                weights[k].append(np.array([1 - u[best] - v[best], u[best], v[best]]))
            else:
                found[k].append(found[k][-1])
                weights[k].append(weights[k][-1])
    return np.array(found), np.array(weights, np.float32)


def skull_of(shape: HeadShape) -> Skull:
    """Of a posed head."""
    crown = _crown_rows()
    offset = MIDDLE - template().base[crown].mean(0)
    middle = shape.vertices[crown].mean(0) + offset * shape.frame.scale
    triangles, weights = _hits()
    points = (shape.vertices[triangles] * weights[..., None]).sum(2)
    radii = lengths(points - middle) / shape.frame.scale
    near, far = (_blurred(grid.reshape(ROWS, COLUMNS)) for grid in radii)
    return Skull(middle.astype(np.float32), shape.frame.scale, near, far)


def _blurred(radii: Array) -> Array:
    """Less of the grid's steps; the poles are single points."""
    radii = radii.copy()
    radii[0], radii[-1] = radii[0].mean(), radii[-1].mean()
    around = (np.roll(radii, 1, 1) + np.roll(radii, -1, 1)) / 4 + radii / 2
    return np.maximum(around, radii * 0.985).astype(np.float32)


@cache
def _crown_rows() -> Array:
    """Vertices whose mean is the middle: a ring of the template about `MIDDLE`."""
    base = template()
    away = np.linalg.norm((base.base - MIDDLE) * [1, 3.0, 1], axis=1)
    skin = np.zeros(len(away), bool)
    skin[base.triangles[base.part == Part.SKIN].ravel()] = True
    return np.flatnonzero(skin & (away < 1.3) & (base.ears < 0.3) & (base.inside < 0.3))


@dataclass(frozen=True)
class Roots:
    """Places on the template where hair may grow.

    Attributes:
        triangles: `[root 3]`: corners.
        weights: `[root 3]`.
        rest: `[root 3]`: places on the template.
        numbers: `[root]`: of all roots.
        sites: `[root neighbour]`: numbers of the nearest of the first roots, nearest first.
    """

    triangles: Array
    weights: Array
    rest: Array
    numbers: Array
    sites: Array

    def __getitem__(self, chosen: Array | slice) -> "Roots":
        return Roots(
            self.triangles[chosen], self.weights[chosen], self.rest[chosen], self.numbers[chosen],
            self.sites[chosen],
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.rest)

    def on(self, values: Array) -> Array:
        """Interpolates values of vertices."""
        return (values[self.triangles] * self.weights[..., None]).sum(1)


@cache
def scalp_roots() -> Roots:
    """In random order, equally dense on the scalp: any first part of them is, too."""
    base = template()
    middle = base.base[base.triangles].mean(1)
    return _scattered((base.part == Part.SKIN) & (scalpness(middle, 0.0) > -0.1), ROOTS)


@cache
def beard_roots() -> Roots:
    """Likewise on the lower face."""
    base = template()
    middle = base.base[base.triangles].mean(1)
    near = (middle[:, 1] < 7.45) & (middle[:, 1] > 5.95) & (middle[:, 2] > 0.3)
    return _scattered((base.part == Part.SKIN) & near & (np.abs(middle[:, 0]) < 0.8), 12000)


def _scattered(allowed: Array, count: int) -> Roots:
    base = template()
    usable = (base.ears[base.triangles] < 0.2).all(1) & (base.inside[base.triangles] < 0.2).all(1)
    triangles = base.triangles[allowed & usable]
    a, b, c = (base.base[triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    random = np.random.default_rng(2024)
    chosen = triangles[np.searchsorted(np.cumsum(area) / area.sum(), random.random(count))]
    u, v = random.random((2, count))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    weights = np.stack([1 - u - v, u, v], 1).astype(np.float32)
    rest = (base.base[chosen] * weights[..., None]).sum(1)
    rest = rest.astype(np.float32)
    sites = np.concatenate([_nearest(some, rest[:SITES]) for some in np.array_split(rest, 16)])
    return Roots(chosen, weights, rest, np.arange(count), sites)


def _nearest(places: Array, sites: Array) -> Array:
    """`[place NEIGHBOURS]`: numbers of the nearest sites, nearest first."""
    away = (sites**2).sum(1) - 2 * places @ sites.T
    some = np.argpartition(away, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    order = np.take_along_axis(away, some, 1).argsort(axis=1)
    return np.take_along_axis(some, order, 1)


def guides_of(roots: Roots, guides: Roots) -> Array:
    """`[root]`: which of the guides each follows: the nearest site that is one, else any."""
    place = np.full(SITES, -1)
    place[guides.numbers] = np.arange(len(guides))
    found = place[roots.sites]
    first = (found >= 0).argmax(1)
    found = found[np.arange(len(roots)), first]
    lost = np.flatnonzero(found < 0)
    if len(lost):
        away = roots.rest[lost, None] - guides.rest[None]
        found[lost] = (away**2).sum(2).argmin(1)
    return found


LINE = (
    np.array([0.0, 0.3, 0.55, 0.75, 0.88, 1.0, 1.15, 1.3, 1.42, 1.6, 1.9, 2.5, 3.15]),
    np.array([7.88, 7.90, 7.86, 7.70, 7.42, 7.14, 6.98, 7.05, 7.20, 7.28, 7.1, 6.78, 6.72]),
)
"""Azimuth from the front, radians, and the hairline's height on the template."""


def scalpness(rest: Array, receding: float, seed: int = 0) -> Array:
    """How far places on the template lie above the hairline, decimetres.

    Args:
        rest: `[place 3]`.
        receding: from -1 (low) to 1 (temples bare).
        seed: of the line's irregularities; 0 has none.
    """
    azimuth = np.abs(np.arctan2(rest[:, 0], rest[:, 2] - MIDDLE[2]))
    line = np.interp(azimuth, *LINE)
    temples = np.exp(-(((azimuth - 0.6) / 0.33) ** 2))
    front = np.clip(1 - azimuth / 1.1, 0, 1)
    line = line + receding * (0.10 * front + (0.20 if receding > 0 else 0.05) * temples)
    above = rest[:, 1] - line
    if seed:
        above = above + 0.03 * fractal(rest * np.float32(5.0), seed, 2)
    return above
