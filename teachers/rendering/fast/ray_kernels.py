"""Rays at given depths through a triplane and EG3D's decoder, forward and backward.

A tile's points are looked up and taken through the hidden layer; its rays are weighed; then only
the samples that a ray can see go on, side by side, through the layer of colours. The backward pass
takes density logits and weights from the forward one; what else it needs of the samples seen it
computes again, in the cache, instead of reading what would have been stored.

A sample of less weight than `UNSEEN` has next to no gradient either: that of its density is at most
three times its weight.
"""

import numpy as np

from .layers import GROUP, ROWS, add_products, linear_layer
from .lookup_kernels import features_at, new_taps
from .march_kernels import UNSEEN, evaluate, weigh
from .vectors import (
    LANES,
    fma,
    inlined,
    kernel,
    load,
    one_minus_exp,
    part,
    sigmoid,
    softplus,
    splat,
    store,
    total,
)  # fmt: skip

POINTS = 512
"""Points of a tile: what is known about them stays in the cache."""

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)
_WIDER, _LOWER = np.float32(1.002), np.float32(0.001)


def rays_of_tile(samples):
    """Rays of a tile."""
    return max(1, POINTS // samples)


def new_room(channels, width, colors, samples):
    """Arrays that the kernels work in; `colors` are padded to whole vectors, and one vector more
    for the density.
    """
    most = rays_of_tile(samples) * samples
    longest = samples + LANES + 1

    def floats(*shape):
        return np.zeros(shape, np.float32)

    tile = (
        floats(3 * most),
        floats((ROWS + 1) * channels),
        floats((most + ROWS) * width),
        np.empty(most, np.intp),
        floats(most),
    )
    ray = (floats(longest), floats(longest), floats(longest), floats(longest))
    seen = (
        np.empty(most, np.intp),
        floats(most + LANES),
        floats((most + ROWS) * width),
        floats((most + ROWS) * colors),
    )
    return new_taps(), tile, ray, seen


def new_room_back(channels, width, colors, samples):
    """More room, for the backward pass."""
    most = rays_of_tile(samples) * samples

    def floats(size):
        return np.zeros(size, np.float32)

    return (
        np.empty(12 * most, np.intp),
        floats(12 * most),
        np.empty(most, np.bool_),
        floats((most + ROWS) * channels),
        floats((most + ROWS) * (colors + LANES)),
        floats((most + ROWS) * width),
        floats((most + ROWS) * channels),
        floats(max(width, channels)),
    )


@inlined
def _show(color_layer, rows, shown, width, count):
    """The colours, before they are widened, of hidden values."""
    weights, biases, _ = color_layer
    colors = len(biases)
    for begun in range(0, count, ROWS):
        for color in range(0, colors, LANES):
            linear_layer(
                rows, begun * width, width, weights, color, colors, biases, color,
                shown, begun * colors + color, colors, width,
            )  # fmt: skip
    for at in range(0, count * colors, LANES):
        store(shown, at, sigmoid(load(shown, at)))


@part
def _see(planes, layers, rays, order, depths, density_gain, known, room, row, start, stop):
    """The colours of the samples that the rays `order`[start … stop] can see, side by side in
    `room`; returns how many. Writes what is `known`: logits and the weights of intervals.
    """
    hidden_layer, density, color_layer, prior, empty_hidden = layers
    origins, directions = rays
    known_logits, known_weights = known
    taps, (points, features, hidden, slots, logits), ray_room, seen_room = room
    ray_logits, ray_depths, ray_weights, _ = ray_room
    seen, seen_weights, rows, shown = seen_room
    width, samples = len(hidden_layer[1]), depths.shape[1]
    point = 0
    for number in range(start, stop):
        ray = order[number]
        for sample in range(samples):
            for axis in range(3):
                points[3 * point + axis] = (
                    origins[ray, axis] + directions[ray, axis] * depths[ray, sample]
                )
            point += 1
    evaluate(
        planes, hidden_layer, density, prior, row, points, 0,
        (taps, features, hidden, slots, logits, 0, point),
    )  # fmt: skip
    count, point = 0, 0
    for number in range(start, stop):
        ray = order[number]
        for sample in range(samples):
            ray_logits[sample], ray_depths[sample] = logits[point + sample], depths[ray, sample]
            known_logits[number, sample] = logits[point + sample]
        weigh(ray_logits, ray_depths, samples, density_gain, ray_weights)
        before = _ZERO
        for sample in range(samples):
            after = ray_weights[sample] if sample < samples - 1 else _ZERO
            known_weights[number, sample] = after
            weight = (before + after) * _HALF
            before = after
            if not abs(weight) < UNSEEN:
                seen[count], seen_weights[count] = point + sample, weight
                slot = slots[point + sample]
                for unit in range(0, width, LANES):
                    value = load(hidden, slot * width + unit) if slot >= 0 else load(
                        empty_hidden, unit
                    )  # fmt: skip
                    store(rows, count * width + unit, value)
                count += 1
        point += samples
    _show(color_layer, rows, shown, width, count)
    return count


@kernel
def composite(
    planes, layers, rays, order, depths, density_gain, known, sums, room, row, first, last
):
    """Writes colours, depths and opacities of the rays `order`[first … last] of one batch row into
    `sums`, and what is `known` for the backward pass; `room` is `new_room`'s.
    """
    feature_sums, depth_sums, opacities = sums
    seen, seen_weights, _, shown = room[3]
    colors, samples = len(layers[2][1]), depths.shape[1]
    step = len(room[3][0]) // samples
    for start in range(first, last, step):
        stop = min(start + step, last)
        count = _see(
            planes, layers, rays, order, depths, density_gain, known, room, row, start, stop
        )
        place = 0
        for number in range(start, stop):
            ray, end = order[number], (number - start + 1) * samples
            opacity, depth, before = _ZERO, _ZERO, _ZERO
            for sample in range(samples):
                after = known[1][number, sample]
                depth += (before + after) * _HALF * depths[ray, sample]
                opacity += after
                before = after
            depth_sums[ray], opacities[ray] = depth, opacity
            first_place = place
            while place < count and seen[place] < end:
                place += 1
            for color in range(0, colors, LANES):
                value = splat(_ZERO)
                for one in range(first_place, place):
                    value = fma(splat(seen_weights[one]), load(shown, one * colors + color), value)
                store(feature_sums, ray * colors + color, value)


@part
def _see_again(planes, layers, rays, order, depths, known, room, back, row, start, stop):
    """As `_see`, from what is known; keeps the texels of the samples seen and their features."""
    hidden_layer, _, color_layer, _, _ = layers
    weights, biases = hidden_layer
    origins, directions = rays
    taps, (points, _, _, _, _), _, (seen, seen_weights, rows, shown) = room
    texels, shares, is_inside, features, _, _, _, _ = back
    width, channels, samples = len(biases), planes[5], depths.shape[1]
    count = 0
    for number in range(start, stop):
        ray, before = order[number], _ZERO
        for sample in range(samples):
            after = known[1][number, sample]
            weight = (before + after) * _HALF
            before = after
            if not abs(weight) < UNSEEN:
                seen[count] = (number - start) * samples + sample
                seen_weights[count] = weight
                for axis in range(3):
                    points[3 * count + axis] = (
                        origins[ray, axis] + directions[ray, axis] * depths[ray, sample]
                    )
                count += 1
    for place in range(count):
        is_inside[place] = features_at(planes, points, place, row, features, place * channels, taps)
        for tap in range(12):
            texels[12 * place + tap] = taps[2][tap]
            shares[12 * place + tap] = taps[3][tap]
    for begun in range(0, count, ROWS):
        for unit in range(0, width, LANES):
            linear_layer(
                features, begun * channels, channels, weights, unit, width, biases, unit,
                rows, begun * width + unit, width, channels,
            )  # fmt: skip
    for at in range(0, count * width, LANES):
        store(rows, at, softplus(load(rows, at)))
    _show(color_layer, rows, shown, width, count)
    return count


@part
def _output_slopes(
    layers,
    density_at,
    order,
    depths,
    density_gain,
    gradients,
    known,
    room,
    back,
    start,
    stop,
    count,
):
    """The gradients of density logits and colours before their sigmoid, of seen samples, written
    into `back`: colours, then the density at `density_at`.
    """
    to_features, to_depth, to_opacity = gradients
    logits, intervals = known
    steepness, ends, slopes, to_logits = room[2]
    seen, seen_weights, _, shown = room[3]
    outputs = back[4]
    colors, samples = len(layers[2][1]), depths.shape[1]
    gain = layers[1][2] if len(layers[3][1]) > 0 else _ONE
    length = colors + LANES
    place = 0
    for number in range(start, stop):
        ray, base = order[number], (number - start) * samples
        for sample in range(samples):
            ends[sample] = to_depth[ray] * depths[ray, sample]
        at_first = place
        while place < count and seen[place] < base + samples:
            product, weight = splat(_ZERO), splat(seen_weights[place] * _WIDER)
            for color in range(0, colors, LANES):
                gradient = load(to_features, ray * colors + color)
                value = load(shown, place * colors + color)
                product = fma(gradient, value * splat(_WIDER) - splat(_LOWER), product)
                store(
                    outputs, place * length + color,
                    gradient * weight * (value * (splat(_ONE) - value)),
                )  # fmt: skip
            store(outputs, place * length + colors, splat(_ZERO))
            ends[seen[place] - base] += total(product)
            place += 1
        for sample in range(samples - 1):
            middle = (logits[number, sample] + logits[number, sample + 1]) * _HALF
            steepness[sample] = middle - _ONE
        for at in range(0, samples - 1, LANES):
            store(steepness, at, sigmoid(load(steepness, at)) * splat(density_gain))
        left = _ONE
        for sample in range(samples - 1):
            slopes[sample] = to_opacity[ray] + (ends[sample] + ends[sample + 1]) * _HALF
            left -= intervals[number, sample]
            ends[sample] = left  # what is left behind the interval
        behind, beyond = _ZERO, _ZERO
        for sample in range(samples - 2, -1, -1):
            optical = slopes[sample] * ends[sample] - behind
            behind += slopes[sample] * intervals[number, sample]
            step = depths[ray, sample + 1] - depths[ray, sample]
            slope = optical * step * steepness[sample] * _HALF
            to_logits[sample + 1] = beyond + slope
            beyond = slope
        to_logits[0] = beyond
        for one in range(at_first, place):
            outputs[one * length + density_at] = to_logits[seen[one] - base] * gain


@part
def _layer_slopes(layers, back_weights, rows, back, count):
    """The gradients of seen samples' features from those of their outputs."""
    _, _, _, _, outputs, hidden_slopes, feature_slopes, zeros = back
    outputs_back, hidden_back, _ = back_weights
    width, channels = len(layers[0][1]), len(hidden_back) // len(layers[0][1])
    length = len(layers[2][1]) + LANES
    depth = len(outputs_back) // width
    for begun in range(0, count, ROWS):
        for unit in range(0, width, LANES):
            linear_layer(
                outputs, begun * length, length, outputs_back, unit, width, zeros, unit,
                hidden_slopes, begun * width + unit, width, depth,
            )  # fmt: skip
    for at in range(0, count * width, LANES):
        # the slope of softplus(x), sigmoid(x), is 1 - exp(-softplus(x))
        store(hidden_slopes, at, load(hidden_slopes, at) * one_minus_exp(load(rows, at)))
    for begun in range(0, count, ROWS):
        for channel in range(0, channels, LANES):
            linear_layer(
                hidden_slopes, begun * width, width, hidden_back, channel, channels, zeros, channel,
                feature_slopes, begun * channels + channel, channels, width,
            )  # fmt: skip


@part
def _add_weight_slopes(weight_slopes, rows, back, channels, count):
    """Adds what seen samples give the weights of both layers."""
    to_hidden, to_hidden_bias, to_outputs, to_output_bias = weight_slopes
    _, _, _, features, outputs, hidden_slopes, _, _ = back
    width, length = len(to_hidden_bias), len(to_output_bias)
    for unit in range(0, width, LANES):
        value = splat(_ZERO)
        for place in range(count):
            value = value + load(hidden_slopes, place * width + unit)
        store(to_hidden_bias, unit, load(to_hidden_bias, unit) + value)
    for output in range(0, length, LANES):
        value = splat(_ZERO)
        for place in range(count):
            value = value + load(outputs, place * length + output)
        store(to_output_bias, output, load(to_output_bias, output) + value)
    for unit in range(0, width, GROUP):
        for channel in range(0, channels, LANES):
            add_products(
                hidden_slopes, unit, width, features, channel, channels,
                to_hidden, unit * channels + channel, channels, count,
            )  # fmt: skip
    for output in range(0, len(to_outputs) // width, GROUP):
        for unit in range(0, width, LANES):
            add_products(
                outputs, output, length, rows, unit, width,
                to_outputs, output * width + unit, width, count,
            )  # fmt: skip


@kernel
def composite_slopes(
    planes, layers, back_weights, rays, order, depths, density_gain, known, gradients, plane_slopes,
    weight_slopes, wanted, room, back, row, first, last,
):  # fmt: skip
    """Adds the gradients of planes and of the layers' weights, from those of `composite`'s sums, of
    the rays `order`[first … last].

    `plane_slopes` has the layout of `planes`; `wanted` says which of the two there are; `back` is
    `new_room_back`'s.
    """
    channels = planes[5]
    rows, samples = room[3][2], depths.shape[1]
    texels, shares, is_inside, _, _, _, feature_slopes, _ = back
    step = len(room[3][0]) // samples
    for start in range(first, last, step):
        stop = min(start + step, last)
        count = _see_again(planes, layers, rays, order, depths, known, room, back, row, start, stop)
        if count == 0:
            continue
        _output_slopes(
            layers, back_weights[2], order, depths, density_gain, gradients, known, room, back,
            start, stop, count,
        )  # fmt: skip
        _layer_slopes(layers, back_weights, rows, back, count)
        if wanted[1]:
            _add_weight_slopes(weight_slopes, rows, back, channels, count)
        if not wanted[0]:
            continue
        for place in range(count):
            if not is_inside[place]:
                continue
            for channel in range(0, channels, LANES):
                value = load(feature_slopes, place * channels + channel)
                for tap in range(12):
                    at = texels[12 * place + tap] + channel
                    store(
                        plane_slopes, at,
                        fma(splat(shares[12 * place + tap]), value, load(plane_slopes, at)),
                    )  # fmt: skip
