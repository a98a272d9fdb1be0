"""Scale, bias, leaky ReLU and clamp in one pass over channels-last images, and their gradients; the
transpose of upsampling by 2.
"""

import numpy as np

from teachers.rendering.fast.vectors import (
    LANES,
    fma,
    kernel,
    load,
    splat,
    store,
    where_less,
)

PIXELS = 32
"""Pixels that are taken through all channels together: they stay in the nearest cache."""

_ZERO = np.float32(0)


@kernel
def activate(x, scales, biases, slopes, limit, y, row, pixels, first, last):
    """Writes the pixels first … last of one batch row; `slopes`: of negative and positive sums."""
    channels = len(biases)
    low, high = splat(slopes[0]), splat(slopes[1])
    for start in range(first, last, PIXELS):
        stop = min(start + PIXELS, last)
        for channel in range(0, channels, LANES):
            scale, bias = load(scales, row * channels + channel), load(biases, channel)
            for pixel in range(start, stop):
                at = (row * pixels + pixel) * channels + channel
                value = fma(load(x, at), scale, bias)
                value = value * where_less(splat(_ZERO), value, high, low)
                value = where_less(splat(limit), value, splat(limit), value)
                value = where_less(value, splat(-limit), splat(-limit), value)
                store(y, at, value)


@kernel
def activate_slopes(
    x, scales, biases, slopes, limit, gradients, to_x, to_scale, to_bias, row, pixels, first, last
):
    """Writes the gradients of the pixels first … last of one batch row, and their sums."""
    channels = len(biases)
    low, high, nothing = splat(slopes[0]), splat(slopes[1]), splat(_ZERO)
    for start in range(first, last, PIXELS):
        stop = min(start + PIXELS, last)
        for channel in range(0, channels, LANES):
            scale, bias = load(scales, row * channels + channel), load(biases, channel)
            scale_sum, bias_sum = load(to_scale, channel), load(to_bias, channel)
            for pixel in range(start, stop):
                at = (row * pixels + pixel) * channels + channel
                number = load(x, at)
                value = fma(number, scale, bias)
                slope = where_less(nothing, value, high, low)
                value = value * slope
                slope = where_less(splat(limit), value, nothing, slope)
                slope = where_less(value, splat(-limit), nothing, slope)
                slope = slope * load(gradients, at)
                store(to_x, at, slope * scale)
                scale_sum = fma(slope, number, scale_sum)
                bias_sum = bias_sum + slope
            store(to_scale, channel, scale_sum)
            store(to_bias, channel, bias_sum)


@kernel
def gather_upsampled(big, height, width, channels, small, first, last):
    """Writes the rows first … last of `small` [height width channels]: the gradient of what was
    upsampled, from that of the result.
    """
    shares = (np.float32(0.25), np.float32(0.75), np.float32(0.75), np.float32(0.25))
    for y in range(first, last):
        for x in range(width):
            to = (y * width + x) * channels
            for channel in range(0, channels, LANES):
                value = splat(_ZERO)
                for down in range(4):
                    line = 2 * y - 1 + down
                    if line < 0 or line >= 2 * height:
                        continue
                    across = splat(_ZERO)
                    for right in range(4):
                        column = 2 * x - 1 + right
                        if column < 0 or column >= 2 * width:
                            continue
                        at = (line * 2 * width + column) * channels + channel
                        across = fma(splat(shares[right]), load(big, at), across)
                    value = fma(splat(shares[down]), across, value)
                store(small, to + channel, value)
