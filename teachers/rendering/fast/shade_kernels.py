"""A triplane and EG3D's decoder at points: a piece of them at a time, which stays in the cache."""

import numpy as np

from .layers import ROWS, linear_layer
from .lookup_kernels import features_at, new_taps
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


def new_slopes_room(channels, width, outputs):
    """Arrays that a call of `feature_slopes` works in."""

    def floats(count):
        return np.zeros((ROWS + 1) * count, np.float32)

    no_bias = np.zeros(max(channels, width), np.float32)
    rows = floats(channels), floats(width), floats(width), floats(outputs), floats(channels)
    return new_taps(), np.empty(ROWS, np.intp), rows, no_bias


@kernel
def feature_slopes(
    planes, hidden_layer, backwards, gain, points, shown, to_shown, to_logits, slopes, room,
    row, first, last,
):  # fmt: skip
    """Writes the gradient of the plane features of the points first … last of one batch row, from
    the colours `shown` and the gradients of colours and logits. `backwards` are the weights of the
    output and of the hidden layer, outputs first. Points outside the box are left out.
    """
    weights, biases = hidden_layer
    output_weights, hidden_weights = backwards
    taps, queue, (features, before, to_hidden, to_outputs, to_features), no_bias = room
    channels, width, colors = planes[5], len(biases), shown.shape[1]
    outputs = len(output_weights) // width
    waiting = 0
    for point in range(first, last):
        queue[waiting] = point
        waiting += features_at(planes, points, point, row, features, waiting * channels, taps)
        if waiting == 0 or (waiting < ROWS and point < last - 1):
            continue
        for number in range(waiting):
            at, start = queue[number], number * outputs
            to_outputs[start] = gain * to_logits[at]
            for color in range(colors):
                value = (shown[at, color] + _LOWER) / _WIDER
                steepness = _WIDER * value * (np.float32(1) - value)
                to_outputs[start + 1 + color] = steepness * to_shown[at, color]
        for unit in range(0, width, LANES):
            linear_layer(
                features, 0, channels, weights, unit, width, biases, unit,
                before, unit, width, channels,
            )  # fmt: skip
            linear_layer(
                to_outputs, 0, outputs, output_weights, unit, width, no_bias, 0,
                to_hidden, unit, width, outputs,
            )  # fmt: skip
        for at in range(0, waiting * width, LANES):
            store(to_hidden, at, load(to_hidden, at) * sigmoid(load(before, at)))
        for channel in range(0, channels, LANES):
            linear_layer(
                to_hidden, 0, width, hidden_weights, channel, channels, no_bias, 0,
                to_features, channel, channels, width,
            )  # fmt: skip
        for number in range(waiting):
            for channel in range(0, channels, LANES):
                store(
                    slopes,
                    queue[number] * channels + channel,
                    load(to_features, number * channels + channel),
                )
        waiting = 0
