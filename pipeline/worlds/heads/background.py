"""Procedural backdrops: plain, gradients, soft rooms, bokeh."""

import numpy as np

from .factors import Background
from .noise import fractal
from .rows import row_of

Array = np.ndarray
KINDS = [0.28, 0.24, 0.30, 0.18]
PLAIN, GRADIENT, ROOM, BOKEH = range(4)


def draw_background(seed: int) -> Background:
    """The backdrop of a background seed."""
    draws = row_of(seed, "head background")
    base = draws.uniform("level", 0.12, 0.95)
    colors = np.stack(
        [
            _encode(draws.color(f"color {k}", (0.0, 0.42), (0.35, 1.0)))
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
    points = directions * np.float32(5 * background.scale)
    soft = fractal(points, background.seed, 2)[:, None]
    if background.kind == ROOM:
        edge = np.tanh(6 * (directions[:, :1] * 5 - 0.8 * cos + 0.4 * soft))
        floor = np.tanh(5 * (directions[:, 1:2] * 5 + 0.6 + 0.3 * sin + 0.3 * soft))
        wall = first + (second - first) * (0.5 + 0.5 * edge)
        return np.clip(third + (wall - third) * (0.5 + 0.5 * floor) + 0.06 * soft, 0, 1)
    spots = fractal(points * 3, background.seed + 1, 1)[:, None]
    glow = np.clip(spots * 2.4 - 0.7, 0, 1)
    return np.clip(first * 0.6 + (second - first) * 0.5 * (0.5 + 0.5 * soft)
                   + glow * (third * 0.6 + fourth * 0.4), 0, 1)  # fmt: skip


def _encode(color: Array) -> Array:
    return np.clip(color, 0, 1) ** (1 / 2.2)
