"""Light: its distribution, and how much of it reaches a point.

The environment is a gradient and soft lobes. It is summed over fixed directions; what a direction
sees of the head is one orthographic depth map. So there are soft shadows, ambient occlusion and
their colours at once: E(x) = Σ_k L(d_k) V(x, d_k) max(n·d_k, 0) 4π/K. The key light's own, denser
directions shadow it softly per pixel.
"""

from dataclasses import dataclass
from functools import cache
from typing import no_type_check

import numpy as np
from numba import njit

from .factors import Light, Lobe
from .rasterizer import draw_depths
from .rows import direction, row_of
from .vectors import crossed, unit

Array = np.ndarray
AROUND = 16
"""Directions of the environment."""
KEY = 4
"""Directions of the key light."""
MAP_SIZE = 72
REACH = 0.52
"""World units: half the side of a depth map; everything lies within."""
BIAS = 0.012
KEY_IRRADIANCE = 2.2
EXPOSED = 4.7
"""Irradiance times exposure, that a face receives on average: white paper would be overexposed."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


def draw_light(seed: int) -> Light:
    """The light of a light seed: rooms, windows, overcast and sunny days, studios."""
    draws = row_of(seed, "head light")
    warmth = draws.uniform("warmth", -1, 1)
    # The key is this many times as strong as what comes from everywhere.
    ratio = 2 ** (0.2 + 2.6 * draws.uniform("contrast"))
    around = KEY_IRRADIANCE / ratio
    yaw, pitch = draws.normal("key yaw", 0.0, 0.6), draws.normal("key pitch", 0.5, 0.3)
    yaw += 0.45 * float(np.tanh(5 * yaw))
    tint = np.array([1 + 0.11 * warmth, 1.0, 1 - 0.17 * warmth])
    key = lobe(
        direction(yaw, float(np.clip(pitch, -0.1, 1.05))),
        tint * KEY_IRRADIANCE,
        draws.uniform("key size", 2.0, 4.5) ** 2,
    )
    fill = lobe(
        direction(-yaw + draws.normal("fill yaw", 0.0, 0.5), 0.1),
        np.array([1 - 0.08 * warmth, 1, 1 + 0.08 * warmth])
        * (around * draws.uniform("fill", 0.1, 0.8)),
        3.0,
    )
    rim = lobe(
        direction(yaw + np.pi + draws.normal("rim yaw", 0.0, 0.8), 0.35),
        draws.color("rim", (0.0, 0.2), (0.7, 1.0)) * 3.5 * draws.uniform("rim", 0, 1) ** 3,
        8.0,
    )
    level = around * draws.uniform("ambient", 0.75, 1.15) / np.pi
    sky = draws.color("sky", (0.0, 0.10), (0.85, 1.0)) * level
    ground = draws.color("ground", (0.0, 0.16), (0.5, 0.85)) * level * 0.8
    exposure = draws.uniform("exposure", 0.8, 1.2)
    return metered_light(sky, ground, (key, fill, rim), yaw, exposure, balance=0.7)


def metered_light(
    sky: Array,
    ground: Array,
    lobes: tuple[Lobe, ...],
    yaw: float,
    level: float = 1.0,
    balance: float = 0.0,
) -> Light:
    """A light whose exposure follows from what a face receives.

    Args:
        sky: radiance from above.
        ground: radiance from below.
        lobes: the soft lights.
        yaw: the key's, radians.
        level: of the exposure.
        balance: how far the camera balances the light's colour: 1 would make it white.
    """
    facing = direction(0.25 * float(np.sign(yaw)), 0.15)[None]
    received = irradiance_weights(Light(sky, ground, lobes, 1.0), facing)[0]
    brightness = float(received @ LUMINANCE)
    white = ((received / brightness) ** -balance).astype(np.float32)
    lobes = tuple(Lobe(each.direction, each.color * white, each.sharpness) for each in lobes)
    return Light(sky * white, ground * white, lobes, level * EXPOSED / brightness)


def lobe(toward: Array, irradiance: Array, sharpness: float) -> Lobe:
    """A lobe that gives a surface that faces it an irradiance."""
    return Lobe(toward, (irradiance / solid_angle(sharpness)).astype(np.float32), sharpness)


def solid_angle(sharpness: float) -> float:
    """Integral of a lobe's exponential over the sphere."""
    return float(2 * np.pi * (1 - np.exp(-2 * sharpness)) / sharpness)


def radiance(light: Light, directions: Array) -> Array:
    """`[direction 3]`: all light from unit directions, the key light included."""
    share = 0.5 + 0.5 * directions[:, 1:2]
    found = light.ground + (light.sky - light.ground) * share
    for lobe in light.lobes:
        found = (
            found + lobe.color * np.exp(lobe.sharpness * (directions @ lobe.direction - 1))[:, None]
        )
    return found.astype(np.float32)


def irradiance_weights(light: Light, normals: Array) -> Array:
    """Irradiance `[normal 3]` of unoccluded surfaces."""
    directions = fibonacci(200)
    cosine = np.maximum(normals @ directions.T, 0)
    return cosine @ radiance(light, directions) * (4 * np.pi / len(directions))


@cache
def fibonacci(count: int) -> Array:
    """Evenly spread unit directions `[count 3]`."""
    k = np.arange(count) + 0.5
    y, angle = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    radius = np.sqrt(1 - y * y)
    return np.stack([radius * np.cos(angle), y, radius * np.sin(angle)], 1).astype(np.float32)


@dataclass(frozen=True)
class Illumination:
    """Depth maps and radiances of all directions about one scene.

    Attributes:
        axes: `[direction 3 3]`: right, down and forward of each map; it looks along forward,
            against the light.
        maps: `[direction size size]`.
        toward: `[direction 3]`: unit directions to the light.
        power: `[direction 3]`: radiance times solid angle.
        key: of each direction, whether it is the key light's.
    """

    axes: Array
    maps: Array
    toward: Array
    power: Array
    key: Array


def illumination(
    light: Light, vertices: Array, triangles: Array, cut: Array, strands: Array
) -> Illumination:
    """Depth maps of triangles, and of points on strands."""
    key = light.lobes[0]
    around, about = fibonacci(AROUND), _about(key, KEY)
    rest = Light(light.sky, light.ground, light.lobes[1:], 1.0)
    toward = np.concatenate([around, about])
    power = np.concatenate(
        [
            radiance(rest, around) * (4 * np.pi / AROUND),
            np.repeat(key.color[None] * solid_angle(key.sharpness) / KEY, KEY, 0),
        ]
    ).astype(np.float32)
    axes = np.concatenate([_axes_around(), np.stack([_axes(-d) for d in about])])
    maps = np.empty((len(toward), MAP_SIZE, MAP_SIZE), np.float32)
    shown = triangles[(cut >= 0)[triangles].any(1)]
    points = np.concatenate([vertices, strands])
    flat = np.empty_like(points)
    for depth, axis in zip(maps, axes, strict=True):
        _flatten(points.ravel(), axis, flat.ravel())
        draw_depths(depth, flat, shown)
        _splat(depth, flat[len(vertices) :])
    is_key = np.arange(len(toward)) >= AROUND
    return Illumination(axes, maps, toward, power, is_key)


def _about(lobe: Lobe, count: int) -> Array:
    """Directions within a lobe's width."""
    right, down, forward = _axes(lobe.direction)
    angle = np.arange(count) * 2 * np.pi / (count - 1)
    spread = 0.9 / np.sqrt(lobe.sharpness) * (np.arange(count) < count - 1)
    found = (
        forward
        + right * (spread * np.cos(angle))[:, None]
        + down * (spread * np.sin(angle))[:, None]
    )
    return unit(found).astype(np.float32)


@cache
def _axes_around() -> Array:
    return np.stack([_axes(-direction) for direction in fibonacci(AROUND)])


def _axes(forward: Array) -> Array:
    up = np.array([0.0, 1, 0]) if abs(forward[1]) < 0.95 else np.array([1.0, 0, 0])
    right = crossed(forward, up)
    right /= np.linalg.norm(right)
    return np.stack([right, crossed(forward, right), forward]).astype(np.float32)


def environment_at(
    light: Illumination, points: Array, normals: Array, softness: float = 1e-4, every: int = 1
) -> tuple[Array, Array]:
    """Irradiance `[point 3]` without the key light, and the luminance-weighted mean direction
    `[point 3]` of what arrives (its length is how directed the light is).

    Args:
        light: the scene's.
        points: `[point 3]`.
        normals: `[point 3]`.
        softness: depth (world units) behind the first surface at which a third of the light is
            left; hair lets light through.
        every: only every such direction is asked, and stands for as many.
    """
    color, mean = np.zeros_like(points), np.zeros_like(points)
    chosen = np.flatnonzero(~light.key)[::every]
    _gather(
        light.maps[chosen], light.axes[chosen], light.toward[chosen], light.power[chosen] * every,
        points, normals, color, mean, np.float32(softness),
    )  # fmt: skip
    return color, mean


def key_at(light: Illumination, points: Array, normals: Array, softness: float = 1e-4) -> Array:
    """Share in [0, 1] `[point]` of the key light that reaches points; see `environment_at`."""
    out = np.zeros(len(points), np.float32)
    chosen = light.key
    _share(light.maps[chosen], light.axes[chosen], points, normals, out, np.float32(softness))
    return out


_kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"})


@_kernel
@no_type_check
def _flatten(points, axes, out):
    """Columns, rows and depths, flat, as LLVM makes vectors of them."""
    scale = np.float32(MAP_SIZE / (2 * REACH))
    for i in range(points.shape[0] // 3):
        x, y, z = points[3 * i], points[3 * i + 1], points[3 * i + 2]
        a = axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z
        b = axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z
        out[3 * i] = (a + np.float32(REACH)) * scale
        out[3 * i + 1] = (b + np.float32(REACH)) * scale
        out[3 * i + 2] = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z


@_kernel
@no_type_check
def _splat(depth, at):
    size = depth.shape[0]
    for i in range(at.shape[0]):
        column, row = int(at[i, 0]), int(at[i, 1])
        if 0 <= column < size and 0 <= row < size and at[i, 2] < depth[row, column]:
            depth[row, column] = at[i, 2]


@_kernel
@no_type_check
def _visible(depth, x, y, z, softness):
    """Share of four neighbouring texels, bilinearly, whose surface isn't before (x, y, z)."""
    size = depth.shape[0]
    x -= np.float32(0.5)
    y -= np.float32(0.5)
    column, row = int(np.floor(x)), int(np.floor(y))
    if column < 0 or row < 0 or column >= size - 1 or row >= size - 1:
        return np.float32(1)
    fx, fy = x - column, y - row
    total = np.float32(0)
    for dr in range(2):
        for dc in range(2):
            weight = (fx if dc else 1 - fx) * (fy if dr else 1 - fy)
            behind = z - depth[row + dr, column + dc]
            total += weight if behind <= 0 else weight * np.exp(-behind / softness)
    return total


@_kernel
@no_type_check
def _gather(maps, axes, toward, power, points, normals, color, mean, softness):
    scale = np.float32(MAP_SIZE / (2 * REACH))
    for i in range(points.shape[0]):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        px = points[i, 0] + np.float32(0.006) * nx
        py = points[i, 1] + np.float32(0.006) * ny
        pz = points[i, 2] + np.float32(0.006) * nz
        total = np.float32(1e-6)
        for k in range(toward.shape[0]):
            cosine = nx * toward[k, 0] + ny * toward[k, 1] + nz * toward[k, 2]
            if cosine <= 0:
                continue
            a = axes[k]
            x = (a[0, 0] * px + a[0, 1] * py + a[0, 2] * pz + np.float32(REACH)) * scale
            y = (a[1, 0] * px + a[1, 1] * py + a[1, 2] * pz + np.float32(REACH)) * scale
            z = a[2, 0] * px + a[2, 1] * py + a[2, 2] * pz - np.float32(BIAS)
            seen = _visible(maps[k], x, y, z, softness) * cosine
            if seen <= 0:
                continue
            light = np.float32(0)
            for c in range(3):
                color[i, c] += power[k, c] * seen
                light += power[k, c]
            light *= seen
            total += light
            for c in range(3):
                mean[i, c] += light * toward[k, c]
        for c in range(3):
            mean[i, c] /= total


@_kernel
@no_type_check
def _share(maps, axes, points, normals, out, softness):
    scale = np.float32(MAP_SIZE / (2 * REACH))
    for i in range(points.shape[0]):
        px = points[i, 0] + np.float32(0.006) * normals[i, 0]
        py = points[i, 1] + np.float32(0.006) * normals[i, 1]
        pz = points[i, 2] + np.float32(0.006) * normals[i, 2]
        for k in range(maps.shape[0]):
            a = axes[k]
            x = (a[0, 0] * px + a[0, 1] * py + a[0, 2] * pz + np.float32(REACH)) * scale
            y = (a[1, 0] * px + a[1, 1] * py + a[1, 2] * pz + np.float32(REACH)) * scale
            z = a[2, 0] * px + a[2, 1] * py + a[2, 2] * pz - np.float32(BIAS)
            out[i] += _visible(maps[k], x, y, z, softness) / maps.shape[0]
