"""The first pass of `proposals.march_proposals`, and the samples that it places."""

import numpy as np

from .layers import ROWS
from .lookup_kernels import new_taps
from .march_kernels import draw, evaluate, weigh
from .vectors import LANES, kernel

TILE = 16
"""Rays of a tile."""

_ZERO, _ONE = np.float32(0), np.float32(1)


def new_room(channels, width, samples):
    """Arrays that `first_pass` works in."""
    most, longest = TILE * samples, samples + LANES + 1

    def floats(*shape):
        return np.zeros(shape, np.float32)

    return (
        (
            new_taps(),
            floats((ROWS + 1) * channels),
            floats((most + ROWS) * width),
            np.empty(most, np.intp),
            floats(most),
        ),
        floats(3 * most),
        (floats(longest), floats(longest), floats(longest)),
    )


@kernel
def first_pass(
    planes, hidden_layer, density, prior, rays, jitter, in_disparity, density_gain, depths, weights,
    room, row, first, last,
):  # fmt: skip
    """Writes depths and interval weights of the rays first … last of one batch row."""
    origins, directions, near, far = rays
    (taps, features, hidden, slots, logits), points, (ray_logits, ray_depths, ray_weights) = room
    samples = depths.shape[1]
    for start in range(first, last, TILE):
        stop = min(start + TILE, last)
        point = 0
        for ray in range(start, stop):
            for sample in range(samples):
                offset = jitter[ray % len(jitter), sample]
                share = (np.float32(sample) + offset) / np.float32(samples - 1)
                if in_disparity:
                    depth = _ONE / ((_ONE - share) / near[ray] + share / far[ray])
                else:
                    depth = near[ray] + share * (far[ray] - near[ray])
                depths[ray, sample] = depth
                for axis in range(3):
                    points[3 * point + axis] = origins[ray, axis] + directions[ray, axis] * depth
                point += 1
        evaluate(
            planes, hidden_layer, density, prior, row, points, 0,
            (taps, features, hidden, slots, logits, 0, point),
        )  # fmt: skip
        for ray in range(start, stop):
            for sample in range(samples):
                ray_depths[sample] = depths[ray, sample]
                ray_logits[sample] = logits[(ray - start) * samples + sample]
            weigh(ray_logits, ray_depths, samples, density_gain, ray_weights)
            for sample in range(samples - 1):
                weights[ray, sample] = ray_weights[sample]


def new_drawing_room(coarse, fine):
    """Arrays that `place_samples` works in."""
    return (
        np.zeros(coarse + LANES, np.float32),
        np.empty(coarse + 1),
        np.zeros(fine + 1, np.float32),
    )


@kernel
def place_samples(depths, weights, jitter, emptiest, half, samples, sees, room, first, last):
    """Writes the sorted importance samples of the pixels of rows first … last of blocks of 2x2, and
    whether they see more than `emptiest`: the first pass's rays go through the blocks' centres, and
    the largest weights among a block and its neighbours count.
    """
    widest, cdf, u = room
    coarse, fine = depths.shape[1], samples.shape[1]
    for line in range(first, last):
        for column in range(half):
            block = line * half + column
            for interval in range(coarse - 1):
                widest[interval] = weights[block, interval]
            for above in range(max(line - 1, 0), min(line + 2, half)):
                for beside in range(max(column - 1, 0), min(column + 2, half)):
                    near = above * half + beside
                    for interval in range(coarse - 1):
                        weight = weights[near, interval]
                        if not weight <= widest[interval]:
                            widest[interval] = weight
            opacity = _ZERO
            for interval in range(coarse - 1):
                opacity += widest[interval]
            for pixel in range(4):
                ray = (2 * line + pixel // 2) * 2 * half + 2 * column + pixel % 2
                sees[ray] = opacity > emptiest
                if not sees[ray]:
                    continue
                if pixel > 0 and len(jitter) == 1:
                    for sample in range(fine):
                        samples[ray, sample] = samples[2 * line * 2 * half + 2 * column, sample]
                    continue
                for sample in range(fine):
                    u[sample] = jitter[ray % len(jitter), sample]
                draw(depths[block], widest, coarse, u, fine, samples[ray], cdf)
