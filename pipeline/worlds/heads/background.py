"""Procedural backdrops, out of focus: plain, gradients, rooms, lights at night."""

from typing import no_type_check

import numpy as np
from numba import njit

from .factors import Background
from .noise import fractal, lattice, noise
from .rows import row_of

Array = np.ndarray
KINDS = [0.22, 0.20, 0.38, 0.20]
PLAIN, GRADIENT, ROOM, BOKEH = range(4)


def draw_background(seed: int) -> Background:
    """The backdrop of a background seed."""
    draws = row_of(seed, "head background")
    base = draws.uniform("level", 0.12, 0.95)
    vivid = draws.uniform("vivid") ** 1.5
    colors = np.stack(
        [
            _encode(draws.color(f"color {k}", (0.0, 0.1 + 0.35 * vivid), (0.35, 1.0)))
            * (0.35 + 0.65 * base if k == 0 else draws.uniform(f"level {k}", 0.2, 1.0))
            for k in range(4)
        ]
    )
    return Background(
        draws.choice("kind", KINDS),
        colors.astype(np.float32),
        draws.uniform("angle", -np.pi, np.pi),
        draws.uniform("scale", 0.6, 1.8),
        int(draws.uniform("background seed") * 2**24),
    )


def backdrop(directions: Array, background: Background) -> Array:
    """Colour in [0, 1] `[ray 3]` of unit directions: a function of the viewing direction alone."""
    first, second, third, fourth = background.colors
    cos, sin = np.cos(background.angle), np.sin(background.angle)
    place = (directions[:, 0] * cos + directions[:, 1] * sin) * 4 * background.scale
    share = (0.5 + 0.5 * np.tanh(place))[:, None]
    if background.kind == PLAIN:
        return first + 0.12 * (second - first) * share
    if background.kind == GRADIENT:
        return first + (second - first) * share
    across = np.arctan2(directions[:, 0], -directions[:, 2])
    height = directions[:, 1]
    if background.kind == ROOM:
        return _room(across, height, background)
    soft = fractal(directions * np.float32(5 * background.scale), background.seed, 2)[:, None]
    places = np.stack([across, height], 1).astype(np.float32) * np.float32(14 / background.scale)
    glow = np.zeros((len(places), 2), np.float32)
    _lights(places, np.uint32(background.seed), glow)
    dark = first * 0.35 + (second - first) * 0.2 * (0.5 + 0.5 * soft)
    return np.clip(dark + glow[:, :1] * third + glow[:, 1:] * fourth, 0, 1)


def _room(across: Array, height: Array, background: Background) -> Array:
    """Upright things before a wall, in soft boxes, and a floor."""
    first, second, third, fourth = background.colors
    size, blur = 0.055 * background.scale, 0.25 + 0.5 * abs(np.sin(background.angle))
    column = _boxed(across / size, blur)
    flat = np.zeros_like(column)
    step = noise(np.stack([column, flat, flat], 1), background.seed)
    row = _boxed(height / (2.6 * size) + 2 * step, blur / 2)
    share = noise(np.stack([column, row, flat + 3], 1), background.seed + 1)
    accent = noise(np.stack([column, row, flat + 9], 1), background.seed + 2)
    bright = np.clip(0.5 + 0.6 * height, 0.3, 0.7)[:, None]
    wall = first + (second - first) * (0.5 + 0.5 * share)[:, None]
    wall = wall + (third - wall) * np.clip(1.5 * accent - 0.5, 0, 1)[:, None]
    floor = np.clip(0.5 - (height + 0.12) / 0.08, 0, 1)[:, None]
    return np.clip((wall + (fourth * 0.7 - wall) * floor) * (0.6 + 0.8 * bright), 0, 1)


def _boxed(place: Array, blur: float) -> Array:
    """Places that stay at whole numbers and pass between them within a share `blur`."""
    low = np.floor(place)
    share = np.clip((place - low - 0.5) / blur + 0.5, 0, 1)
    return low + share * share * (3 - 2 * share)


@njit(cache=True, nogil=True, error_model="numpy")
@no_type_check
def _lights(places, seed, out):
    """Discs of confusion: one at most in each cell of a lattice, of one of two colours."""
    half, one = np.float32(0.5), np.float32(1)
    for i in range(places.shape[0]):
        bx, by = int(np.floor(places[i, 0] - half)), int(np.floor(places[i, 1] - half))
        for c in range(4):
            x, y = bx + (c & 1), by + (c >> 1)
            chance = lattice(x, y, 1, seed)
            if chance < np.float32(-0.3):
                continue
            dx = places[i, 0] - x - half - np.float32(0.2) * lattice(x, y, 2, seed)
            dy = places[i, 1] - y - half - np.float32(0.2) * lattice(x, y, 3, seed)
            radius = np.float32(0.2) + np.float32(0.09) * lattice(x, y, 4, seed)
            inside = (radius - np.sqrt(dx * dx + dy * dy)) / np.float32(0.08) + half
            inside = min(max(inside, np.float32(0)), one)
            bright = np.float32(0.15) + np.float32(0.5) * abs(lattice(x, y, 5, seed))
            out[i, 0 if chance > np.float32(0.3) else 1] += bright * inside


def _encode(color: Array) -> Array:
    return np.clip(color, 0, 1) ** (1 / 2.2)
