"""One identity at a time through numba kernels: the same distances, colours and marching steps as
the readable world, but only for what the identity has and for rays that still travel.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from teachers.rendering.camera import Camera, Rays
from teachers.rendering.fast.vectors import kernel

from .anatomy import HEAD_UNIT
from .body import BOUND, Part
from .components import color_kernel, components
from .factors import Light, Puppet, pack
from .kernel_files import kernels
from .light import GLOSS, TETRAHEDRON
from .presence import Presence
from .tracer import (
    CAUTION,
    COARSE_STEPS,
    CONE_SIZE,
    FINE_STEPS,
    POLISH_REACH,
    POLISH_STEPS,
    bounds,
    cone_radius,
    patience,
)

F = np.float32
Array = np.ndarray
CORNERS = np.array(TETRAHEDRON, F)
GLOSSINESS = np.array([GLOSS.get(part, 1.0) for part in Part], F)


class FastSurface:
    """The signed distance and the colours of one puppet, of points given as x, y, z."""

    def __init__(self, puppet: Puppet) -> None:
        self._factors = pack(puppet)[0].numpy()
        found = components(Presence.of(puppet.identity))
        module = kernels()
        self._kernels = [(getattr(module, c.kernel), len(c.labels)) for c in found]
        self._labels = np.array([label for c in found for label in c.labels], F)
        self._scale = (HEAD_UNIT * puppet.identity.head.size).numpy()[0, 0]

    def distances(self, x: Array, y: Array, z: Array) -> Array:
        """Signed distances of world points, in world units."""
        nearest = np.empty_like(x)
        _nearest_distance(self.parts(x, y, z), x, y, z, self._scale, F(BOUND), nearest)
        return nearest

    def appearance(self, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
        """Albedo `[3 point]` and part numbers `[point]`: see `appearance.appearance`."""
        part = np.empty_like(x)
        _nearest_label(self.parts(x, y, z), self._labels, part)
        albedo = np.empty((3, x.size), F)
        for label in np.unique(part):
            chosen = np.flatnonzero(part == label)
            colors = np.empty((3, chosen.size), F)
            color = getattr(kernels(), color_kernel(Part(int(label))))
            color(self._factors, x[chosen], y[chosen], z[chosen], colors)
            albedo[:, chosen] = colors
        return albedo.clip(0, 1), part

    def parts(self, x: Array, y: Array, z: Array) -> Array:
        """Distances `[entry point]` to what `components` lists, in head units."""
        rows = np.empty((len(self._labels), x.size), F)
        first = 0
        for distances, count in self._kernels:
            distances(self._factors, x, y, z, rows[first : first + count])
            first += count
        return rows


def draw_samples(
    puppet: Puppet, light: Light, camera: Camera, rays: Rays, resolution: int
) -> tuple[Float[Tensor, "ray 8"], Bool[Tensor, " ray"]]:
    """What the rays through the `resolution`² pixels of one camera see of one puppet (colour,
    normal, depth, part number; zeros where nothing is), and which of them hit it.
    """
    surface, view = FastSurface(puppet), rays.directions[0].T.contiguous().numpy()
    origin = rays.origins[0, 0].numpy()
    depths, hit = _march(surface, camera, rays, origin, view, resolution)
    chosen = np.flatnonzero(hit)
    view, depths = view[:, chosen], depths[chosen]
    every = np.arange(chosen.size)
    for _ in range(POLISH_STEPS):
        away = surface.distances(*_place(origin, view, depths, every))
        depths += away.clip(-POLISH_REACH, POLISH_REACH)
    points = np.stack(_place(origin, view, depths, every))
    step = F(6e-4 + 0.3 / resolution)
    around = np.concatenate([points + corner[:, None] * step for corner in CORNERS], 1)
    normals = CORNERS.T @ surface.distances(*around).reshape(4, -1)
    normals /= np.sqrt((normals * normals).sum(0)).clip(1e-12)
    toward = light.direction[0, 0].numpy()
    probes = np.concatenate(
        [
            points + normals * F(0.035),
            points + normals * F(0.10),
            points + (toward * F(0.05))[:, None] + normals * F(0.006),
            points + (toward * F(0.13))[:, None] + normals * F(0.006),
        ],
        1,
    )
    room = surface.distances(*probes).reshape(4, -1)
    albedo, parts = surface.appearance(*points)
    gloss = light.gloss.numpy()[0, 0] * GLOSSINESS[parts.astype(np.int64)]
    canvas = np.zeros((resolution**2, 8), F)
    colors = (light.color[0, 0].numpy(), light.ambient.numpy()[0, 0])
    _shade(canvas, chosen, room, normals, view, albedo, gloss, toward, *colors)
    canvas[chosen, 3:6], canvas[chosen, 6], canvas[chosen, 7] = normals.T, depths, parts
    return torch.from_numpy(canvas), torch.from_numpy(hit)


def _march(
    surface: FastSurface, camera: Camera, rays: Rays, origin: Array, view: Array, resolution: int
) -> tuple[Array, Array]:
    """`tracer.trace` of one identity, from `origin` along the directions `view`."""
    depths, far, live = (value[0].numpy() for value in bounds(rays))
    pixel = 1 / (resolution * camera.intrinsics[:, 0, 0:1])
    if resolution % CONE_SIZE == 0 and resolution >= 8 * CONE_SIZE:
        depths, live = _march_cones(surface, camera, resolution // CONE_SIZE)
    tolerance = (0.15 * pixel).numpy()[0, 0]
    hit, active = np.zeros_like(live), np.flatnonzero(live)
    for step in range(FINE_STEPS):
        if active.size == 0:
            break
        near_enough = F(patience(step)) * tolerance
        away = surface.distances(*_place(origin, view, depths, active))
        active = _advance(active, away, depths, far, hit, near_enough, F(CAUTION))
    hit[active] = True
    return depths, hit


def _march_cones(surface: FastSurface, camera: Camera, resolution: int) -> tuple[Array, Array]:
    rays = camera.rays(resolution)
    start, far, _ = (value[0].numpy() for value in bounds(rays, BOUND * 1.1))
    spread = cone_radius(camera, resolution).numpy()[0, 0]
    origin, directions = rays.origins[0, 0].numpy(), rays.directions[0].T.contiguous().numpy()
    depths, stopped = start.copy(), np.zeros(start.size, np.bool_)
    active = np.arange(start.size)
    for _ in range(COARSE_STEPS):
        if active.size == 0:
            break
        away = surface.distances(*_place(origin, directions, depths, active))
        active = _advance_cones(active, away, depths, far, stopped, spread, F(CAUTION))
    live = stopped
    live[active] = True
    return tuple(
        grid.reshape(resolution, resolution).repeat(CONE_SIZE, 0).repeat(CONE_SIZE, 1).reshape(-1)
        for grid in (depths, live)
    )  # type: ignore[return-value]


@kernel
def _place(origin, directions, depths, active):  # type: ignore[no-untyped-def]
    x, y, z = (
        np.empty(active.size, np.float32),
        np.empty(active.size, np.float32),
        np.empty(active.size, np.float32),
    )
    for k in range(active.size):
        i = active[k]
        x[k] = origin[0] + directions[0, i] * depths[i]
        y[k] = origin[1] + directions[1, i] * depths[i]
        z[k] = origin[2] + directions[2, i] * depths[i]
    return x, y, z


@kernel
def _advance(active, away, depths, far, hit, near_enough, caution):  # type: ignore[no-untyped-def]
    count = 0
    for k in range(active.size):
        i = active[k]
        if away[k] < near_enough * depths[i]:
            hit[i] = True
            continue
        depths[i] += away[k] * caution
        if depths[i] < far[i]:
            active[count] = i
            count += 1
    return active[:count]


@kernel
def _advance_cones(active, away, depths, far, stopped, spread, caution):  # type: ignore[no-untyped-def]
    count = 0
    for k in range(active.size):
        i = active[k]
        room = away[k] * caution - spread * depths[i]
        if room < spread * depths[i]:
            stopped[i] = True
        elif depths[i] < far[i]:
            depths[i] += room
            active[count] = i
            count += 1
    return active[:count]


@kernel
def _nearest_distance(rows, x, y, z, scale, bound, nearest):  # type: ignore[no-untyped-def]
    nearest[:] = rows[0]
    for row in range(1, rows.shape[0]):
        for i in range(nearest.size):
            nearest[i] = min(nearest[i], rows[row, i])
    for i in range(nearest.size):
        ball = np.sqrt(x[i] * x[i] + y[i] * y[i] + z[i] * z[i] + np.float32(1e-12)) - bound
        nearest[i] = max(nearest[i] * scale, ball)


@kernel
def _nearest_label(rows, labels, part):  # type: ignore[no-untyped-def]
    part[:] = labels[0]
    nearest = rows[0].copy()
    for row in range(1, rows.shape[0]):
        for i in range(part.size):
            is_nearer = rows[row, i] < nearest[i]
            part[i] = labels[row] if is_nearer else part[i]
            nearest[i] = rows[row, i] if is_nearer else nearest[i]


@kernel
def _shade(canvas, chosen, room, normals, view, albedo, gloss, toward, color, ambient):  # type: ignore[no-untyped-def]
    """`light.shade` of each point into the first three columns of the rows `chosen`."""
    zero, one = np.float32(0), np.float32(1)
    for i in range(chosen.size):
        near = min(max(room[0, i] / np.float32(0.035), zero), one)
        wide = min(max(room[1, i] / np.float32(0.10), zero), one)
        close = min(max(room[2, i] / np.float32(0.035), zero), one)
        distant = min(max(room[3, i] / np.float32(0.06), zero), one)
        open_ = np.float32(0.45) + np.float32(0.55) * near
        open_ *= np.float32(0.66) + np.float32(0.34) * wide
        lit = np.float32(0.45) + np.float32(0.55) * close * distant
        facing, squared, shine = zero, zero, zero
        for c in range(3):
            facing += normals[c, i] * toward[c]
            squared += (toward[c] - view[c, i]) ** 2
            shine += normals[c, i] * (toward[c] - view[c, i])
        diffuse = max(facing * np.float32(0.75) + np.float32(0.25), zero) * lit
        around = np.float32(0.86) + np.float32(0.16) * normals[1, i]
        around = ambient * (around + np.float32(0.10) * normals[2, i]) * open_
        shine = max(shine / max(np.sqrt(squared), np.float32(1e-12)), zero)
        for _ in range(5):
            shine *= shine
        for c in range(3):
            value = albedo[c, i] * (around + color[c] * diffuse) + gloss[i] * shine * lit
            canvas[chosen[i], c] = min(max(value, zero), one)
