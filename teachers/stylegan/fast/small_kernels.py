"""Kernels beside the convolutions: demodulation, and upsampling by 2 with many channels."""

import numpy as np

from teachers.rendering.fast.vectors import kernel


@kernel
def add_upsampled(small, height, width, channels, big, first, last):
    """Adds the upsampled `small` [height width channels] to rows `first` … `last` - 1 of `big`.

    Of each direction, a quarter of the farther and three quarters of the nearer neighbour; zeros
    outside (see `resampling.upsample`).
    """
    near, far = np.float32(0.75), np.float32(0.25)
    for row in range(first, last):
        y = row // 2
        other = y - 1 if row % 2 == 0 else y + 1
        above = far if 0 <= other < height else np.float32(0)
        other = min(max(other, 0), height - 1)
        for column in range(2 * width):
            x = column // 2
            beside = x - 1 if column % 2 == 0 else x + 1
            left = far if 0 <= beside < width else np.float32(0)
            beside = min(max(beside, 0), width - 1)
            to = (row * 2 * width + column) * channels
            a, b = (y * width + x) * channels, (y * width + beside) * channels
            c, d = (other * width + x) * channels, (other * width + beside) * channels
            for n in range(channels):
                big[to + n] += near * (near * small[a + n] + left * small[b + n]) + above * (
                    near * small[c + n] + left * small[d + n]
                )


@kernel
def sum_styled_squares(weight, channels, style, sums, first, last):
    """The sums over input channels and 3x3 taps of (weight · style)², of some of the outputs."""
    for out in range(first, last):
        total = np.float32(0)
        for channel in range(channels):
            at = (out * channels + channel) * 9
            squares = np.float32(0)
            for tap in range(9):
                squares += weight[at + tap] * weight[at + tap]
            total += squares * style[channel] * style[channel]
        sums[out] = total
