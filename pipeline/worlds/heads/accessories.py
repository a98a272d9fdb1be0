"""Glasses, earrings, masks, hats and scarves as meshes, and their materials."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from .factors import GlassesKind, HatKind, Outfit
from .material import Material, Surface
from .mesh import Mesh, grid_triangles, tube, unit_sphere
from .noise import fractal
from .part import Part
from .shape import HeadShape
from .skull import COLUMNS, MIDDLE, ROWS, Skull, grid_directions
from .template import template
from .vectors import lengths, unit

Array = np.ndarray
LOBE = (0.80, 6.84, 0.42)
"""The earlobe's place on the template."""
EAR_TOP = (0.80, 7.33, 0.50)
TEMPLE = 0.03
"""Decimetres from the skin to the middle of a pair of glasses' temples."""


def accessory_meshes(shape: HeadShape, skull: Skull, outfit: Outfit) -> list[Mesh]:
    """All that a person wears but clothes."""
    return list(_worn(shape, skull, outfit))


def _worn(shape: HeadShape, skull: Skull, outfit: Outfit) -> Iterator[Mesh]:
    if outfit.glasses != GlassesKind.NONE:
        yield from _glasses(shape, skull, outfit)
    if outfit.earrings > 0 and outfit.hat not in (HatKind.HIJAB,):
        yield from _earrings(shape, outfit)
    if outfit.mask > 0:
        yield _mask(shape, skull)
    if outfit.hat in (HatKind.BEANIE, HatKind.CAP, HatKind.BRIM, HatKind.TURBAN):
        yield from _hat(skull, outfit)
    if outfit.hat == HatKind.HIJAB:
        yield _hijab(shape, skull)


@dataclass(frozen=True)
class _Rim:
    """The size of a lens relative to the distance of the eyes, and its superellipse's exponent."""

    across: float
    up: float
    power: float
    thickness: float


RIMS = {
    GlassesKind.ROUND: _Rim(0.36, 0.35, 2.0, 0.018),
    GlassesKind.SQUARE: _Rim(0.40, 0.29, 4.0, 0.021),
    GlassesKind.WIRE: _Rim(0.38, 0.27, 2.6, 0.008),
    GlassesKind.SUN: _Rim(0.43, 0.34, 2.6, 0.020),
}


def _glasses(shape: HeadShape, skull: Skull, outfit: Outfit) -> Iterator[Mesh]:
    rim = RIMS[outfit.glasses]
    points, scale = shape.landmarks, shape.frame.scale
    left, right = (eye.center for eye in shape.eyes)
    apart = float(np.linalg.norm(right - left))
    cornea = max(eye.center[2] + eye.radius for eye in shape.eyes)
    front = max(cornea + 0.09 * scale, points[27, 2] - 0.02 * scale)
    size = apart * (0.94 + 0.12 * outfit.glasses_size)
    thickness = rim.thickness * scale
    angle = np.arange(40) * 2 * np.pi / 40
    cos, sin = np.cos(angle), np.sin(angle)
    radius = (np.abs(cos) ** rim.power + np.abs(sin) ** rim.power) ** (-1 / rim.power)
    outline = np.stack([rim.across * cos * radius, rim.up * sin * radius, 0 * cos], 1) * size
    middle_y = (left[1] + right[1]) / 2 - 0.06 * apart
    for side, eye in ((-1, left), (1, right)):
        center = np.array([eye[0] + side * 0.015 * apart, middle_y, front])
        bent = outline.copy()
        bent[:, 2] -= 0.28 * np.maximum(side * outline[:, 0], 0) ** 2 / apart
        ring = center + bent
        yield replace_part(tube(ring, thickness, is_closed=True), Part.GLASSES)
        fan = np.concatenate([[center], ring])
        after = np.roll(np.arange(1, 41), -1)
        triangles = np.stack([np.zeros(40, int), np.arange(1, 41), after], 1)
        yield Mesh.of(fan, triangles, Part.LENS)
        hinge = ring[np.argmax(side * ring[:, 0])] + np.array([0, 0.12 * apart, 0])
        ear = _on_template(shape, np.array(EAR_TOP) * [side, 1, 1])
        over = ear + np.array([-side * 0.07, 0.03, 0.0]) * scale
        past = ear + np.array([-side * 0.13, -0.14, -0.15]) * scale
        bow = np.array([0.35 * hinge[0] + 0.65 * over[0], hinge[1], 0.4 * hinge[2] + 0.6 * over[2]])
        temple = skull.to_local(_smooth_path(np.stack([hinge, bow, over, past])))
        temple = skull.outside(temple, np.full(len(temple), TEMPLE))
        most = np.abs(skull.to_local(shape.vertices[template().ears > 0.5])[:, 0]).max() - TEMPLE
        temple = skull.to_world(np.clip(temple, [-most, -9, -9], [most, 9, 9]))
        yield replace_part(tube(temple, thickness * 0.9, is_closed=False), Part.GLASSES)
    height, inset = middle_y + 0.08 * apart, rim.across * size - 0.015 * apart
    arch = np.array(
        [
            [left[0] + inset, height, front],
            [(left[0] + right[0]) / 2, height + 0.07 * apart, front + 0.03 * scale],
            [right[0] - inset, height, front],
        ]
    )
    yield replace_part(tube(_smooth_path(arch), thickness, is_closed=False), Part.GLASSES)


def replace_part(mesh: Mesh, part: Part) -> Mesh:
    """The mesh with one label."""
    return replace(mesh, part=np.full(len(mesh.triangles), int(part), np.int8))


def _smooth_path(knots: Array, count: int = 16) -> Array:
    """A Catmull-Rom curve through points."""
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    place = np.linspace(0, len(knots) - 1 - 1e-6, count)
    k, t = place.astype(int), (place % 1)[:, None]
    a, b, c, d = (padded[k + n] for n in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
                  + (3 * b - a - 3 * c + d) * t**3)  # fmt: skip


def _on_template(shape: HeadShape, place: Array) -> Array:
    """Where the vertex nearest to a place on the template is."""
    return shape.vertices[((template().base - place) ** 2).sum(1).argmin()]


def _earrings(shape: HeadShape, outfit: Outfit) -> Iterator[Mesh]:
    scale = shape.frame.scale
    is_ring = outfit.seed % 2 == 0
    for side in (-1, 1):
        lobe = _on_template(shape, np.array(LOBE) * [side, 1, 1])
        size = (0.05 + 0.22 * outfit.earrings**2 * is_ring) * scale
        if is_ring:
            angle = np.arange(24) * 2 * np.pi / 24
            circle = np.stack([0.2 * np.cos(angle) * side, np.sin(angle) - 0.9, np.cos(angle)], 1)
            yield tube(lobe + circle * size, 0.012 * scale, is_closed=True)
        else:
            points, triangles = unit_sphere(8, 12)
            center = lobe + np.array([side * 0.02, -0.03, 0.02]) * scale
            yield Mesh.of(points * size * 0.7 + center, triangles, Part.JEWEL)


def _mask(shape: HeadShape, skull: Skull) -> Mesh:
    """A medical mask: a smooth surface from the bridge of the nose to the chin."""
    radii = _smooth(_smooth(skull.near, 30), 8) + 0.11
    x, y, z = np.moveaxis(grid_directions() * radii[..., None], -1, 0)
    points = skull.to_local(shape.landmarks)
    bridge, chin, side = points[28, 1] - 0.02, points[8, 1] - 0.06, points[2, 1]
    x = np.abs(x)
    top = np.interp(x, [0, 0.15, 0.4, 0.8], [bridge, bridge - 0.09, bridge - 0.16, side])
    bottom = np.interp(x, [0, 0.35, 0.8], [chin, chin + 0.1, side - 0.2])
    cut = np.minimum.reduce([top - y, y - bottom, 0.74 - x, z - 0.2])
    return _shell(skull, radii, Part.MASK, cut)


def _shell(skull: Skull, radii: Array, part: Part, cut: Array) -> Mesh:
    """A surface about the head at distances `[ROWS, COLUMNS]`, decimetres."""
    local = grid_directions() * radii[..., None]
    return Mesh.of(
        skull.to_world(local.reshape(-1, 3)), grid_triangles(ROWS, COLUMNS, True), part,
        local.reshape(-1, 3) + MIDDLE, cut.ravel(),
    )  # fmt: skip


def _smooth(radii: Array, times: int) -> Array:
    for _ in range(times):
        across = (np.roll(radii, 1, 1) + np.roll(radii, -1, 1)) / 2
        along = (
            np.concatenate([radii[:1], radii[:-1]]) / 2
            + np.concatenate([radii[1:], radii[-1:]]) / 2
        )
        radii = np.maximum(radii, 0.5 * radii + 0.25 * across + 0.25 * along)
    return radii


EDGES = {
    HatKind.BEANIE: (0.02, 0.24),
    HatKind.CAP: (0.17, 0.20),
    HatKind.BRIM: (0.20, 0.12),
    HatKind.TURBAN: (0.02, 0.28),
}
"""Height of a hat's edge above the skull's middle, and how much higher it is in front."""


def under_hat(places: Array, skull: Skull, hat: HatKind) -> Array:
    """Places of hair `[… 3]`, those that would stick out of a hat pressed to the head."""
    if hat not in EDGES:
        return places
    low, tilt = EDGES[hat]
    out = lengths(places)[..., None] + 1e-6
    most = skull.radius(places / out)[..., None] + 0.05
    above = places[..., 1:2] > low + tilt * np.clip(places[..., 2:3], -1, 1) - 0.04
    return np.where(above, places / out * np.minimum(out, most), places)


def _hat(skull: Skull, outfit: Outfit) -> Iterator[Mesh]:
    directions = grid_directions()
    x, y, z = np.moveaxis(directions, -1, 0)
    radii = _smooth(skull.near, 6)
    height = radii * y
    forward = radii * z
    low, tilt = EDGES[outfit.hat]
    edge = low + tilt * np.clip(forward, -1, 1)
    lift = 0.08
    crown = np.clip((height - edge) / 0.5, 0, 1)
    if outfit.hat == HatKind.BEANIE:
        radii = radii + lift + 0.16 * crown**2 * y
        rolled = np.exp(-(((height - edge - 0.16) / 0.12) ** 2))
        radii = radii + 0.03 * rolled
    elif outfit.hat == HatKind.TURBAN:
        radii = radii + 0.07 + 0.30 * crown**0.8 + 0.03 * np.sin(9 * height + 4 * x)
    else:
        radii = radii + lift + (0.20 if outfit.hat == HatKind.BRIM else 0.09) * crown**0.6
    yield _shell(skull, radii, Part.HAT, radii * y - edge)
    if outfit.hat in (HatKind.CAP, HatKind.BRIM):
        yield _brim(skull, outfit.hat)


def _brim(skull: Skull, hat: HatKind) -> Mesh:
    angle = np.linspace(-np.pi, np.pi, 48)
    flat = np.stack([np.sin(angle), np.full(48, 0.28), np.cos(angle)], 1)
    flat = unit(flat)
    inner = skull.radius(flat) * np.sqrt(1 - flat[:, 1] ** 2) + 0.07
    front = np.clip(np.cos(angle), 0, 1)
    wide = 0.62 * front**1.6 * (np.abs(angle) < 1.25) if hat == HatKind.CAP else np.full(48, 0.5)
    rings = []
    for share in np.linspace(0, 1, 6):
        radius = inner + wide * share
        x, z = np.sin(angle) * radius, np.cos(angle) * radius
        y = (
            EDGES[hat][0]
            + EDGES[hat][1] * np.clip(z, -1, 1)
            - share * (0.10 * front if hat == HatKind.CAP else 0.12)
            - (0.16 * share * x**2 if hat == HatKind.CAP else 0)
        )
        rings.append(np.stack([x, y, z], 1))
    grid = np.array(rings)
    return Mesh.of(
        skull.to_world(grid.reshape(-1, 3)), grid_triangles(6, 48, False), Part.HAT,
        grid.reshape(-1, 3) + MIDDLE,
    )  # fmt: skip


def _hijab(shape: HeadShape, skull: Skull) -> Mesh:
    """A scarf about head, neck and shoulders that lies close about the face."""
    directions = grid_directions()
    x, y, z = np.moveaxis(directions, -1, 0)
    radii = np.where(skull.far - skull.near > 0.5, skull.far, np.maximum(skull.near, skull.far))
    neck = np.clip((-y - 0.55) / 0.3, 0, 1)
    radii = _smooth(np.maximum(radii, 0.95 + 0.55 * neck), 8) + 0.06
    azimuth = np.arctan2(x, z)
    radii = radii + 0.025 * np.sin(6 * np.abs(azimuth) + 5 * y) * (0.25 + neck)
    place = directions * radii[..., None]
    points = skull.to_local(shape.landmarks)
    top, bottom = points[19:25, 1].mean() + 0.42, points[8, 1] - 0.06
    wide = 0.96 * np.abs(points[[1, 15], 0]).mean()
    across = place[..., 0] / wide
    up = (place[..., 1] - (top + bottom) / 2) / ((top - bottom) / 2)
    # Widest at the cheekbones, a blunt arch above, narrower to the chin.
    across = across * (1 + 0.22 * np.clip(-up, 0, 1) ** 2)
    inside = (np.abs(across) ** 2.5 + np.abs(up) ** 2.5) ** (1 / 2.5)
    cut = np.where(place[..., 2] > 0, (inside - 1) * 0.6, 1.0)
    return _shell(skull, radii, Part.HAT, cut)


def accessory_material(part: Part, surface: Surface, outfit: Outfit) -> Material:
    """Of hats, scarves, masks, frames and jewels."""
    if part == Part.JEWEL:
        return Material.plain(surface, outfit.earring_color * 0.5, 0.18, 0.75)
    if part == Part.GLASSES:
        metal = outfit.glasses == GlassesKind.WIRE
        return Material.plain(surface, outfit.glasses_color, 0.25, 0.4 if metal else 0.05)
    if part == Part.MASK:
        pleats = 1 - 0.12 * (np.sin(surface.rest[:, 1] * 42) > 0.75)
        return Material.plain(surface, outfit.mask_color * pleats[:, None] * 0.8, 0.8, 0.03)
    return _cloth(surface, outfit)


def _cloth(surface: Surface, outfit: Outfit) -> Material:
    x, y, z = (surface.rest - MIDDLE).T
    folds = fractal(surface.rest * np.array([2.5, 2.5, 2.5], np.float32), outfit.seed + 1, 3)
    shade = 1 + 0.12 * folds
    if outfit.hat == HatKind.BEANIE:
        fade = np.clip(0.05 / np.maximum(surface.footprint, 1e-4) - 0.4, 0, 1)
        shade = shade + 0.22 * np.sin(np.arctan2(x, z) * 46) * fade
    elif outfit.hat == HatKind.TURBAN:
        shade = shade + 0.2 * np.sin(9 * y + 4 * x + 1.5)
    elif outfit.hat == HatKind.HIJAB:
        shade = shade + 0.10 * np.sin(10 * np.arctan2(x, z) + 7 * y) * np.clip(0.4 - y, 0.2, 1)
    color = np.clip(outfit.hat_color * shade[:, None], 0, 1) * 0.85
    return Material.plain(surface, color, 0.85, 0.02)


def through_lens(behind: Array, mirrored: Array, facing: Array, kind: GlassesKind) -> Array:
    """Linear colour `[sample 3]` seen through lenses.

    Args:
        behind: what lies behind.
        mirrored: radiance that the lens mirrors to the camera.
        facing: cosine of the view against the lens.
        kind: SUN is dark.
    """
    fresnel = (0.04 + 0.96 * (1 - facing) ** 5)[:, None]
    through = 0.05 if kind == GlassesKind.SUN else 0.94
    return behind * through * (1 - fresnel) + mirrored * fresnel * 0.6
