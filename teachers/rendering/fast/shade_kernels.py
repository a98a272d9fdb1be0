"""A triplane and EG3D's decoder at points: a piece of them at a time, which stays in the cache."""

import numpy as np

from .layers import ROWS, linear_layer
from .lookup_kernels import new_taps
from .march_kernels import evaluate
from .vectors import LANES, kernel, load, sigmoid, store

PIECE = 64 * ROWS
"""Points of a piece."""

_WIDER, _LOWER = np.float32(1.002), np.float32(0.001)


def new_room(channels, width, colors):
    """Arrays that a call of `shade` works in."""
    return (
        new_taps(),
        np.zeros((ROWS + 1) * channels, np.float32),
        np.zeros((PIECE + ROWS) * width, np.float32),
        np.empty(PIECE, np.intp),
        np.zeros((PIECE + ROWS) * colors, np.float32),
    )


@kernel
def shade(
    planes, hidden_layer, density, color_layer, prior, points, logits, shown, room, row, first, last
):
    """Writes the density logits and, unless `shown` has no channels, the colours of the points
    first … last of one batch row; `room` is `new_room`'s.
    """
    color_weights, color_biases, empty_color = color_layer
    taps, features, hidden, slots, colors = room
    width, padded, count = len(hidden_layer[1]), len(color_biases), shown.shape[1]
    for start in range(first, last, PIECE):
        stop = min(start + PIECE, last)
        work = (taps, features, hidden, slots, logits[start:stop], 0, stop - start)
        slot = evaluate(
            planes, hidden_layer, density, prior, row, points[3 * start : 3 * stop], 0, work
        )
        if count == 0:
            continue
        for begun in range(0, slot, ROWS):
            for color in range(0, padded, LANES):
                linear_layer(
                    hidden, begun * width, width, color_weights, color, padded, color_biases, color,
                    colors, begun * padded + color, padded, width,
                )  # fmt: skip
        for at in range(0, slot * padded, LANES):
            store(colors, at, sigmoid(load(colors, at)))
        for point in range(start, stop):
            at = slots[point - start] * padded
            for color in range(count):
                value = colors[at + color] if at >= 0 else empty_color[color]
                shown[point, color] = value * _WIDER - _LOWER
