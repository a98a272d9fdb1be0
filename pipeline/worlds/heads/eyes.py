"""The materials of eyeballs, teeth and tongue.

The mesh of an eyeball is a sphere. Its cornea is painted on: normals bulge about the pupil, and the
iris is a plane behind it that one sees refracted.
"""

import numpy as np

from .factors import Eyes, Identity, Light
from .material import Material, Surface
from .noise import fractal, noise
from .rows import direction
from .shape import EyeBall, HeadShape
from .vectors import crossed, dots, lengths, unit

Array = np.ndarray

WHITE = np.array([0.585, 0.54, 0.51], np.float32)
YELLOWED = np.array([0.56, 0.47, 0.34], np.float32)
VEIN = np.array([0.45, 0.14, 0.12], np.float32)
CORNER = np.array([0.50, 0.22, 0.20], np.float32)
"""Linear albedos of the white, of an old white, of veins, and of the pink at the nose."""
IRIS_PLANE = 0.80
"""Where the iris lies on the axis of the gaze, in radii of the eyeball."""
BULGE = 0.9
"""How much faster than the sphere's the cornea's normals turn: its radius is some 7.8 mm of 12."""
REFRACTION = 1 / 1.376
"""Air over cornea (Gullstrand's eye)."""
CORNEA, SCLERA = 0.035, 0.014
"""Reflectances; the white's film is uneven and mirrors less."""
WINDOW = (0.24, 0.32)
"""Radians: half the sides of what shines into the eyes."""
SPREAD = 29.0
"""Radians that a mirrored direction turns in a decimetre of the cornea."""


def eye_material(surface: Surface, shape: HeadShape, identity: Identity) -> Material:
    """Sclera, iris and pupil; each sample belongs to the nearer eyeball."""
    look = identity.eyes
    centers = np.stack([eye.center for eye in shape.eyes])
    distance = lengths(surface.position[:, None] - centers)
    side = (distance[:, 0] > distance[:, 1]).astype(int)
    outward = (surface.position - centers[side]) / distance.min(1)[:, None]
    gaze = np.stack([eye.gaze for eye in shape.eyes])[side]
    radius = shape.eyes[0].radius
    blur = np.clip(0.25 * surface.footprint / radius / look.iris_size, 0.02, 0.5)

    facing = dots(outward, gaze)[:, 0]
    limbus = np.sqrt(np.clip(1 - facing**2, 0, 1)) / look.iris_size
    limbus = np.where(facing > 0, limbus, 4.0)
    seen, angle = _behind_cornea(surface, outward, gaze, look)
    iris = _iris(seen, angle, side, look, blur)
    white = _white(surface, outward, side, look, shape.eyes)
    border = np.clip((1.0 + 0.06 - limbus) / (0.12 + blur), 0, 1)
    border = (border * border * (3 - 2 * border))[:, None]
    shadow = _lid_shadow(surface, shape, side)[:, None]
    albedo = (white + border * (iris - white)) * shadow
    bulge = np.clip(1.15 - limbus, 0, 1) ** 0.5
    normal = outward + BULGE * bulge[:, None] * (outward - facing[:, None] * gaze)
    normal = unit(normal)
    count = len(surface)
    return Material(
        albedo.astype(np.float32),
        normal.astype(np.float32),
        np.full(count, 0.16, np.float32),
        (
            (SCLERA + border[:, 0] * (CORNEA - SCLERA)) * np.clip(2.5 * shadow[:, 0] - 0.75, 0, 1)
        ).astype(np.float32),
        (0.25 * (1 - border[:, 0])).astype(np.float32),
    )


def catch_lights(material: Material, surface: Surface, light: Light, power: Array) -> Array:
    """Radiance `[sample 3]` of the windows that eyes mirror: the key light's, held where the
    cornea of somebody who looks forward shows it, and a dim one on the other side.

    Args:
        material: of `eye_material`.
        surface: its samples.
        light: the scene's.
        power: irradiance `[3]` of the key light on what faces it.
    """
    normal = material.normal
    mirror = 2 * dots(normal, surface.view) * normal - surface.view
    toward = light.lobes[0].direction
    yaw, pitch = np.arctan2(toward[0], toward[2]), np.arcsin(np.clip(toward[1], -1, 1))
    yaw, pitch = float(np.clip(yaw, -0.7, 0.7)), float(np.clip(pitch, 0.2, 0.55))
    other = -0.55 if yaw > 0 else 0.55
    area = 4 * WINDOW[0] * WINDOW[1]
    blur = np.minimum(SPREAD * surface.footprint, 0.4)
    seen = _window(mirror, yaw, pitch, blur) + 0.2 * _window(mirror, other, 0.25, blur)
    return (1.1 * material.specular * seen)[:, None] * (power / area)


def _window(mirror: Array, yaw: float, pitch: float, blur: Array) -> Array:
    """How much of a window about a direction is seen in directions `[sample 3]`."""
    toward = direction(yaw, pitch)
    right = direction(yaw + np.pi / 2, 0.0)
    x, y = mirror @ right, mirror @ crossed(toward, right)
    cover = (mirror @ toward > 0).astype(np.float32)
    for place, half in ((x, WINDOW[0]), (y, WINDOW[1])):
        cover = cover * np.clip((half + 0.5 * blur - np.abs(place)) / blur, 0, 1)
    return cover


def _behind_cornea(
    surface: Surface, outward: Array, gaze: Array, look: Eyes
) -> tuple[Array, Array]:
    """Radius, in radii of the iris, and angle of the place on the iris' plane that is seen."""
    facing = dots(outward, gaze)
    bent = outward + BULGE * 0.5 * (outward - facing * gaze)
    bent = unit(bent)
    cosine = np.clip(dots(bent, surface.view), 0.05, 1)
    inner = np.sqrt(1 - REFRACTION**2 * (1 - cosine**2))
    into = REFRACTION * (cosine * bent - surface.view) - inner * bent
    fall = np.minimum(dots(into, gaze), -0.2)
    path = np.clip((IRIS_PLANE - facing) / fall, 0, 0.6)
    place = outward + path * into
    across = place - dots(place, gaze) * gaze
    # Without this the iris would be smaller than its border on the white.
    widened = np.float32(look.iris_size)
    return (
        lengths(across) / widened,
        np.arctan2(across[:, 1], across[:, 0]),
    )


def _iris(place: Array, angle: Array, side: Array, look: Eyes, blur: Array) -> Array:
    """Radial fibres, a ring about the pupil, a dark rim."""
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    at = np.concatenate([circle * 5.5, (place * 1.3 + 7 * side)[:, None]], 1)
    sharp = np.clip(1.3 - 3.5 * blur, 0, 1)
    fibres = fractal(at, look.seed, 2) * sharp
    ring = np.exp(-(((place - look.pupil - 0.13) / 0.17) ** 2)) * (1 + 0.6 * fibres)
    color = look.iris + np.clip(ring, 0, 1)[:, None] * (look.iris_ring - look.iris)
    color = color * (1 + 0.55 * fibres)[:, None] * (1.12 - 0.2 * place)[:, None]
    rim = np.clip((place - 0.72) / 0.25, 0, 1)[:, None] ** 1.5
    color = color + rim * (look.iris_rim - color)
    hole = np.clip((look.pupil + 0.5 * (0.06 + blur) - place) / (0.06 + blur), 0, 1)[:, None]
    return color * (1 - hole) + np.float32(0.004) * hole


def _white(
    surface: Surface, outward: Array, side: Array, look: Eyes, eyes: tuple[EyeBall, EyeBall]
) -> Array:
    """The sclera: yellower with age, pink and veined towards the corners."""
    white = WHITE + look.yellow * 0.6 * (YELLOWED - WHITE)
    x = outward[:, 0]
    nasal = np.where(side == 0, x, -x)
    far = np.clip((np.abs(x) - 0.30) / 0.5, 0, 1)
    at = np.stack([x * 3, outward[:, 1] * 14, 5.0 * side], 1)
    lines = 1 - np.clip(np.abs(noise(at + 0.35 * np.abs(x)[:, None], look.seed + 1)) * 5, 0, 1)
    fine = np.clip(1.6 - surface.footprint / (4 * eyes[0].radius) * 14, 0.25, 1)
    red = (0.08 + 0.45 * look.veins) * far * (0.35 + 0.65 * lines * fine)
    albedo = white + red[:, None] * (VEIN - white)
    pink = np.clip((nasal - 0.62) / 0.18, 0, 1)[:, None]
    return albedo + 0.8 * pink * (CORNER - albedo)


def _lid_shadow(surface: Surface, shape: HeadShape, side: Array) -> Array:
    """How much light the lids leave, in [0, 1]: least under the upper one and in the corners."""
    out = np.ones(len(surface), np.float32)
    for k, first in enumerate((36, 42)):
        rows = np.flatnonzero(side == k)
        if not len(rows):
            continue
        ring = shape.landmarks[first : first + 6]
        left, right = ring[0, 0], ring[3, 0]
        width = right - left
        place = np.clip((surface.position[rows, 0] - left) / width, 0, 1)
        knots = [0, *((ring[[1, 2], 0] - left) / width), 1]
        low_knots = [0, *((ring[[5, 4], 0] - left) / width), 1]
        top = np.interp(place, knots, ring[[0, 1, 2, 3], 1])
        bottom = np.interp(place, low_knots, ring[[0, 5, 4, 3], 1])
        y = surface.position[rows, 1]
        above = np.clip((top - y) / (0.20 * width), 0, 1)
        below = np.clip((y - bottom) / (0.10 * width), 0, 1)
        corner = np.clip(np.minimum(place, 1 - place) / 0.22, 0, 1)
        out[rows] = (0.40 + 0.60 * above) * (0.85 + 0.15 * below) * (0.6 + 0.4 * corner)
    return out


def tooth_material(surface: Surface) -> Material:
    """Teeth: whiter at their middle, darker towards the gums and the back."""
    back = np.clip((1.50 - surface.rest[:, 2:]) / 0.45, 0, 1)
    gaps = np.abs(np.sin(np.pi * surface.rest[:, :1] / 0.072 * (1 + 0.25 * back)))
    fine = np.clip(1.4 - surface.footprint[:, None] / 0.015, 0, 1)
    shade = (1 - 0.65 * back) * (1 - 0.25 * fine * np.clip(1 - gaps / 0.25, 0, 1))
    return Material.plain(surface, np.array([0.56, 0.50, 0.42]) * shade, 0.22, 0.04, 0.4)


def tongue_material(surface: Surface) -> Material:
    """The tongue."""
    bumpy = fractal(surface.rest * 30, 5, 2)[:, None]
    back = np.clip((1.45 - surface.rest[:, 2:]) / 0.5, 0, 1)
    albedo = np.array([0.46, 0.16, 0.15]) * (1 + 0.12 * bumpy) * (1 - 0.6 * back)
    return Material.plain(surface, albedo, 0.36, 0.03, 0.6)
