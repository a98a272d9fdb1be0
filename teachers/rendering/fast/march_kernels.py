"""Rays through a triplane and EG3D's decoder in tiles that stay in the processor's cache.

A tile's points are looked up and taken through the hidden layer; its rays are composited; then only
the samples that a ray can see go through the layer of colours, from hidden values that are still in
the cache. Tuples of arrays: see `march.Kernels`.
"""

import numpy as np

from .layers import ROWS, linear_layer
from .lookup_kernels import features_at, new_taps
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

TILE = 16
"""Rays of a tile."""

UNSEEN = np.float32(1e-9)
"""Samples of less weight have no colour: a thousand of them add up to 1e-6."""

FAINT_OPACITY = np.float32(1e-12)
"""As in `compositing`."""

_ZERO, _HALF, _ONE = np.float32(0), np.float32(0.5), np.float32(1)


@part
def prior_logit(points, at, slopes, ellipsoids, first_solid):
    """`EllipsoidPrior` at a point; `slopes` is slope, low, high and slope of the solids, a row of
    `ellipsoids` the centre and one over the semi-axes.
    """
    nearest, nearest_solid = np.float32(np.inf), np.float32(np.inf)
    for row in range(len(ellipsoids)):
        scaled = _ZERO
        for axis in range(3):
            away = (points[at + axis] - ellipsoids[row, axis]) * ellipsoids[row, 3 + axis]
            scaled += away * away
        if row < first_solid:
            nearest = min(nearest, scaled)
        else:
            nearest_solid = min(nearest_solid, scaled)
    tiny = np.float32(1e-12)
    logit = slopes[0] * (_ONE - np.sqrt(nearest + tiny))
    logit = min(max(logit, slopes[1]), slopes[2])
    if first_solid < len(ellipsoids):
        logit += slopes[3] * max(_ONE - np.sqrt(nearest_solid + tiny), _ZERO)
    return logit


@part
def evaluate(planes, hidden_layer, density, prior, row, points, slot, work):
    """Hidden values and density logits of a tile's points in `work`, from `slot` on: points outside
    the box have no slot. Returns the next free one.
    """
    channels = planes[5]
    weights, biases = hidden_layer
    density_weights, density_bias, gain = density
    slopes, ellipsoids, first_solid = prior
    taps, features, hidden, slots, logits, first, last = work
    width = len(biases)
    begun = slot
    for point in range(first, last):
        place = (slot - begun) * channels
        inside = features_at(planes, points, point, row, features, place, taps)
        slots[point] = slot if inside else -1
        slot += 1 if inside else 0
        if slot - begun == ROWS or point == last - 1:
            if slot > begun:
                for unit in range(0, width, LANES):
                    linear_layer(
                        features, 0, channels, weights, unit, width, biases, unit,
                        hidden, begun * width + unit, width, channels,
                    )  # fmt: skip
                for at in range(begun * width, slot * width, LANES):
                    store(hidden, at, softplus(load(hidden, at)))
            begun = slot
    for point in range(first, last):
        logit = density_bias[1]  # of no features
        if slots[point] >= 0:
            value = splat(_ZERO)
            for unit in range(0, width, LANES):
                value = fma(
                    load(hidden, slots[point] * width + unit), load(density_weights, unit), value
                )
            logit = total(value) + density_bias[0]
        if len(ellipsoids) > 0:
            logit = gain * logit + prior_logit(points, 3 * point, slopes, ellipsoids, first_solid)
        logits[point] = logit
    return slot


@part
def weigh(logits, depths, count, density_gain, weights):
    """`compositing.interval_weights` of sorted samples."""
    for at in range(0, count - 1, LANES):
        middle = (load(logits, at) + load(logits, at + 1)) * splat(_HALF) - splat(_ONE)
        step = load(depths, at + 1) - load(depths, at)
        store(weights, at, one_minus_exp(softplus(middle) * splat(density_gain) * step))
    left = _ONE
    for at in range(count - 1):
        share = weights[at]
        weights[at] = share * left
        left *= _ONE - share


@part
def sort(values, count):
    """In place, from small to large; nearly sorted values take one pass."""
    for at in range(1, count):
        value = values[at]
        before = at - 1
        while before >= 0 and values[before] > value:
            values[before + 1] = values[before]
            before -= 1
        values[before + 1] = value


@part
def draw(depths, weights, count, jitter, fine, drawn, cdf):
    """`depths.importance_depths`, sorted."""
    sum_ = 0.0
    cdf[0] = 0
    for at in range(1, count - 2):
        left = max(weights[at - 1], weights[at])
        right = max(weights[at], weights[at + 1])
        sum_ += (left + right) * _HALF + np.float32(0.01) + np.float32(1e-5)
        cdf[at] = sum_
    bins = count - 3
    for at in range(1, bins + 1):
        cdf[at] /= sum_
    sort(jitter, fine)
    above = 0
    for number in range(fine):
        u = jitter[number]
        while above <= bins and cdf[above] <= u:
            above += 1
        low, high = max(above - 1, 0), min(above, bins)
        low_depth = (depths[low] + depths[low + 1]) * _HALF
        high_depth = (depths[high] + depths[high + 1]) * _HALF
        width = cdf[high] - cdf[low]
        if width < 1e-5:
            width = 1.0
        drawn[number] = low_depth + np.float32((u - cdf[low]) / width) * (high_depth - low_depth)
    sort(drawn, fine)


@part
def merge(
    coarse_depths, fine_depths, coarse, fine, ray, slots, logits, ray_depths, ray_logits, ray_slots
):
    """All samples of a ray from near to far. Descending first passes (a camera that sees no box)
    are sorted, too.
    """
    first, second = 0, 0
    for at in range(coarse + fine):
        if second >= fine or (first < coarse and coarse_depths[first] <= fine_depths[second]):
            depth, pass_, sample = coarse_depths[first], 0, ray * coarse + first
            first += 1
        else:
            depth, pass_, sample = fine_depths[second], 1, ray * fine + second
            second += 1
        logit, slot = logits[pass_, sample], slots[pass_, sample]
        before = at - 1
        while before >= 0 and ray_depths[before] > depth:
            ray_depths[before + 1], ray_logits[before + 1] = ray_depths[before], ray_logits[before]
            ray_slots[before + 1] = ray_slots[before]
            before -= 1
        ray_depths[before + 1], ray_logits[before + 1] = depth, logit
        ray_slots[before + 1] = slot


@inlined
def ray_of(number, side):
    """Rays are taken column by column, which look at the same texels of two of EG3D's planes."""
    return number % side * side + number // side if side > 0 else number


def new_room(channels, width, colors, coarse, fine):
    """Arrays that a call of `march` works in."""
    most, samples = TILE * max(coarse, fine), coarse + fine

    def floats(*shape):
        return np.zeros(shape, np.float32)

    tile = (
        floats(3 * most),
        floats((ROWS + 1) * channels),
        floats((TILE * samples + ROWS) * width),
        np.empty((2, most), np.intp),
        floats(2, most),
        floats(2, TILE, max(coarse, fine) + LANES + 1),
    )
    longest = samples + LANES + 1
    ray = (floats(longest), floats(longest), np.empty(samples, np.intp), floats(longest))
    drawing = (np.empty(coarse + 1), floats(fine + 1))
    seen = (
        np.empty(ROWS, np.intp),
        np.empty(ROWS, np.intp),
        floats(ROWS),
        floats(ROWS * width),
        floats(ROWS * colors),
    )
    return new_taps(), tile, ray, drawing, seen


@kernel
def march(
    planes, hidden_layer, density, color_layer, prior, rays, jitter, sampling, sums, room,
    row, first, last,
):  # fmt: skip
    """Composites the rays first … last of one batch row into `sums`; `room` is `new_room`'s."""
    origins, directions, near, far = rays
    coarse, fine, in_disparity, density_gain, side = sampling
    color_weights, color_biases, empty_color = color_layer
    feature_sums, depth_sums, opacities, nearest, farthest = sums
    taps, (points, features, hidden, slots, logits, depths), ray_room, drawing, seen_room = room
    ray_depths, ray_logits, ray_slots, weights = ray_room
    cdf, u = drawing
    seen_slots, seen_rays, seen_weights, rows, shown = seen_room
    width, colors = len(hidden_layer[1]), len(color_biases)
    all_samples = coarse + fine
    for start in range(first, last, TILE):
        tile = min(TILE, last - start)
        slot = 0
        for turn in range(2 if fine > 0 else 1):
            count = fine if turn else coarse
            for ray in range(tile):
                at = ray_of(start + ray, side)
                if turn:
                    for sample in range(coarse):
                        ray_logits[sample] = logits[0, ray * coarse + sample]
                    weigh(ray_logits, depths[0, ray], coarse, density_gain, weights)
                    for sample in range(fine):
                        u[sample] = jitter[1][at % len(jitter[1]), sample]
                    draw(depths[0, ray], weights, coarse, u, fine, depths[1, ray], cdf)
                else:
                    for sample in range(coarse):
                        offset = jitter[0][at % len(jitter[0]), sample]
                        share = (np.float32(sample) + offset) / np.float32(coarse - 1)
                        if in_disparity:
                            depth = _ONE / ((_ONE - share) / near[at] + share / far[at])
                        else:
                            depth = near[at] + share * (far[at] - near[at])
                        depths[0, ray, sample] = depth
                for sample in range(count):
                    for axis in range(3):
                        points[3 * (ray * count + sample) + axis] = (
                            origins[at, axis] + directions[at, axis] * depths[turn, ray, sample]
                        )
            slot = evaluate(
                planes, hidden_layer, density, prior, row, points, slot,
                (taps, features, hidden, slots[turn], logits[turn], 0, tile * count),
            )  # fmt: skip
        seen = 0
        for ray in range(tile + 1):
            if ray < tile:
                at = ray_of(start + ray, side)
                merge(
                    depths[0, ray], depths[1, ray], coarse, fine, ray, slots, logits,
                    ray_depths, ray_logits, ray_slots,
                )  # fmt: skip
                weigh(ray_logits, ray_depths, all_samples, density_gain, weights)
                opacity, depth, nothing, before = _ZERO, _ZERO, _ZERO, _ZERO
            for sample in range(all_samples if ray < tile else 1):
                if ray < tile:
                    after = weights[sample] if sample < all_samples - 1 else _ZERO
                    weight = (before + after) * _HALF
                    before = after
                    opacity += after
                    depth += weight * ray_depths[sample]
                    if ray_slots[sample] < 0:
                        nothing += weight
                    elif not abs(weight) < UNSEEN:
                        seen_slots[seen], seen_rays[seen] = ray_slots[sample], at
                        seen_weights[seen] = weight
                        seen += 1
                if seen == ROWS or (ray == tile and seen > 0):
                    for number in range(seen):
                        for unit in range(0, width, LANES):
                            store(
                                rows, number * width + unit,
                                load(hidden, seen_slots[number] * width + unit),
                            )  # fmt: skip
                    for color in range(0, colors, LANES):
                        linear_layer(
                            rows, 0, width, color_weights, color, colors, color_biases, color,
                            shown, color, colors, width,
                        )  # fmt: skip
                    for place in range(0, seen * colors, LANES):
                        store(shown, place, sigmoid(load(shown, place)))
                    for number in range(seen):
                        weight = seen_weights[number]
                        for color in range(0, colors, LANES):
                            place = seen_rays[number] * colors + color
                            store(feature_sums, place, fma(
                                splat(weight), load(shown, number * colors + color),
                                load(feature_sums, place),
                            ))  # fmt: skip
                    seen = 0
            if ray < tile:
                for color in range(0, colors, LANES):
                    place = at * colors + color
                    store(feature_sums, place, fma(
                        splat(nothing), load(empty_color, color), load(feature_sums, place)
                    ))  # fmt: skip
                opacities[at] = opacity
                depth_sums[at] = np.inf if opacity < FAINT_OPACITY else depth / opacity
                nearest[at], farthest[at] = ray_depths[0], ray_depths[all_samples - 1]
