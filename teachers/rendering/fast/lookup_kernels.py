"""Three planes at points, forward and backward, for channels that lie together.

A point has four texels on each plane. `floats` is the whole memory of the planes; `strides` are the
distances in it between batch rows, planes, texel rows and columns. Work is divided so that no two
calls write the same number.
"""

import numpy as np

from .vectors import LANES, fma, inlined, kernel, load, splat, store, total

_HALF, _ONE, _THIRD = np.float32(0.5), np.float32(1), np.float32(1 / 3)


@inlined
def _neighbours(position, size):
    """The texels below and above a coordinate of [-1, 1] and their shares; 0 outside, NaN for what
    isn't finite.
    """
    at = (position + _ONE) * (np.float32(size) * _HALF) - _HALF
    below = np.floor(at)
    nothing = at - at
    if not (below >= -_ONE and below < np.float32(size)):
        return 0, 0, nothing, nothing
    first = np.intp(below)
    share = at - below
    low = nothing if first < 0 else _ONE - share
    high = nothing if first + 1 >= size else share
    return max(first, 0), min(first + 1, size - 1), low, high


@inlined
def place(points, at, scale, size, ends, shares):
    """Texels and shares along x, y and z of a point."""
    for axis in range(3):
        low, high, low_share, high_share = _neighbours(points[at + axis] * scale, size)
        ends[2 * axis], ends[2 * axis + 1] = low, high
        shares[2 * axis], shares[2 * axis + 1] = low_share, high_share


@inlined
def texel(corner, column, row, strides, ends):
    """Where one of the four corners of a plane lies in memory."""
    return ends[2 * row + corner // 2] * strides[2] + ends[2 * column + corner % 2] * strides[3]


def new_taps() -> tuple[np.ndarray, ...]:
    """Room for what `features_at` works out: ends, shares, places and weights."""
    return (
        np.empty(6, np.intp),
        np.empty(6, np.float32),
        np.empty(12, np.intp),
        np.empty(12, np.float32),
    )


@inlined
def taps_of(planes, points, point, start, strides, taps):
    """Works out places and weights of the twelve texels of a point, of planes that begin at
    `start`; whether it is inside the box.
    """
    _, _, axes, scale, size, _ = planes
    ends, shares, places, weights = taps
    place(points, 3 * point, scale, size, ends, shares)
    is_inside = False
    for plane in range(3):
        column, line = axes[plane, 0], axes[plane, 1]
        first = start + plane * strides[1]
        above, below = ends[2 * line] * strides[2], ends[2 * line + 1] * strides[2]
        left, right = ends[2 * column] * strides[3], ends[2 * column + 1] * strides[3]
        places[4 * plane], places[4 * plane + 1] = first + above + left, first + above + right
        places[4 * plane + 2], places[4 * plane + 3] = first + below + left, first + below + right
        for corner in range(4):
            weight = shares[2 * line + corner // 2] * shares[2 * column + corner % 2] * _THIRD
            weights[4 * plane + corner] = weight
            is_inside |= weight != 0
    return is_inside


@inlined
def features_at(planes, points, point, row, features, at, taps):
    """Writes the features of a point of a batch row, the mean over the planes; whether it is inside
    the box.
    """
    floats, strides, channels = planes[0], planes[1], planes[5]
    places, weights = taps[2], taps[3]
    is_inside = taps_of(planes, points, point, row * strides[0], strides, taps)
    for channel in range(0, channels, LANES):
        value = splat(np.float32(0))
        if is_inside:
            for tap in range(12):
                value = fma(splat(weights[tap]), load(floats, places[tap] + channel), value)
        store(features, at + channel, value)
    return is_inside


@kernel
def look_up(planes, points, features, taps, row, first, last):
    """Writes the features of the points first … last of one batch row."""
    for point in range(first, last):
        features_at(planes, points, point, row, features, point * planes[5], taps)


@kernel
def add_to_planes(planes, points, features, taps, row, plane, channel, first, last):
    """Adds to `planes`, which are gradients, what the points first … last of a batch row give one
    plane of it, for 16 channels from `channel` on; `features` is the gradient of theirs.
    """
    gradients, strides, axes, scale, size, channels = planes
    ends, shares = taps[0], taps[1]
    column, line = axes[plane, 0], axes[plane, 1]
    start = row * strides[0] + plane * strides[1] + channel
    for point in range(first, last):
        place(points, 3 * point, scale, size, ends, shares)
        value = load(features, point * channels + channel)
        for corner in range(4):
            weight = shares[2 * line + corner // 2] * shares[2 * column + corner % 2] * _THIRD
            if abs(weight) > 0:  # neither outside nor NaN
                at = start + texel(corner, column, line, strides, ends)
                store(gradients, at, fma(splat(weight), value, load(gradients, at)))


@kernel
def slopes_at_points(planes, points, features, slopes, taps, row, first, last):
    """Writes the gradient of the points first … last from that of their `features`."""
    floats, strides, axes, scale, size, channels = planes
    ends, shares = taps[0], taps[1]
    per_unit = scale * np.float32(size) * _HALF * _THIRD
    for point in range(first, last):
        place(points, 3 * point, scale, size, ends, shares)
        for axis in range(3):
            slopes[3 * point + axis] = 0
        for plane in range(3):
            column, line = axes[plane, 0], axes[plane, 1]
            start = row * strides[0] + plane * strides[1]
            for corner in range(4):
                down, right = corner // 2, corner % 2
                along, across = shares[2 * column + right], shares[2 * line + down]
                if (along == 0 and ends[2 * column] == ends[2 * column + 1]) or (
                    across == 0 and ends[2 * line] == ends[2 * line + 1]
                ):
                    continue  # beyond the edge everything is 0
                at = start + texel(corner, column, line, strides, ends)
                product = splat(np.float32(0))
                for channel in range(0, channels, LANES):
                    product = fma(
                        load(features, point * channels + channel),
                        load(floats, at + channel),
                        product,
                    )
                value = total(product) * per_unit
                slopes[3 * point + column] += (2 * right - 1) * across * value
                slopes[3 * point + line] += (2 * down - 1) * along * value
