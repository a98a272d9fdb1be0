"""Compositing sorted samples, forward and backward, ray by ray."""

import numpy as np

from .march_kernels import weigh
from .vectors import LANES, kernel, load, sigmoid, splat, store

_HALF, _ONE, _ZERO = np.float32(0.5), np.float32(1), np.float32(0)


def new_room(samples):
    """Arrays that a kernel works in, a little longer than a ray."""
    return tuple(np.zeros(samples + LANES + 1, np.float32) for _ in range(4))


@kernel
def composite(features, logits, depths, gain, sums, depth_sums, weights, room, first, last):
    """Writes features, depths and weights of the rays first … last, as `compositing.composite`."""
    ray_logits, ray_depths, ray_weights, _ = room
    samples, channels = features.shape[1], features.shape[2]
    for ray in range(first, last):
        for sample in range(samples):
            ray_logits[sample], ray_depths[sample] = logits[ray, sample], depths[ray, sample]
        weigh(ray_logits, ray_depths, samples, gain, ray_weights)
        for channel in range(channels):
            sums[ray, channel] = 0
        depth, before = _ZERO, _ZERO
        for sample in range(samples):
            after = _ZERO
            if sample < samples - 1:
                after = ray_weights[sample]
                weights[ray, sample] = after
            weight = (before + after) * _HALF
            before = after
            depth += weight * ray_depths[sample]
            for channel in range(channels):
                sums[ray, channel] += weight * features[ray, sample, channel]
        depth_sums[ray] = depth


@kernel
def composite_slopes(
    features, logits, depths, gain, weights, gradients, feature_slopes, logit_slopes, room,
    first, last,
):  # fmt: skip
    """Writes the gradients of features and logits of the rays first … last from those of features,
    depth and weights.
    """
    to_sums, to_depth, to_weights = gradients
    steepness, ends, slopes, _ = room
    samples, channels = features.shape[1], features.shape[2]
    for ray in range(first, last):
        for sample in range(samples - 1):
            steepness[sample] = (logits[ray, sample] + logits[ray, sample + 1]) * _HALF - _ONE
        for at in range(0, samples - 1, LANES):
            store(steepness, at, sigmoid(load(steepness, at)) * splat(gain))
        before = _ZERO
        for sample in range(samples):
            after = weights[ray, sample] if sample < samples - 1 else _ZERO
            weight = (before + after) * _HALF
            before = after
            end = to_depth[ray] * depths[ray, sample]
            for channel in range(channels):
                gradient = to_sums[ray, channel]
                end += gradient * features[ray, sample, channel]
                feature_slopes[ray, sample, channel] = gradient * weight
            ends[sample] = end
        left = _ONE
        for sample in range(samples - 1):
            slopes[sample] = to_weights[ray, sample] + (ends[sample] + ends[sample + 1]) * _HALF
            left -= weights[ray, sample]
            ends[sample] = left  # what is left behind the interval
        behind, beyond = _ZERO, _ZERO
        logit_slopes[ray, samples - 1] = 0
        for sample in range(samples - 2, -1, -1):
            step = depths[ray, sample + 1] - depths[ray, sample]
            optical = slopes[sample] * ends[sample] - behind
            behind += slopes[sample] * weights[ray, sample]
            slope = optical * step * steepness[sample] * _HALF
            logit_slopes[ray, sample + 1] = beyond + slope
            beyond = slope
        logit_slopes[ray, 0] = beyond
