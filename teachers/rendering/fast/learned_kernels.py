"""Samples in predicted bins, and rays composited from them, without gradient: `robust_sampling` for
`learned_sampling.march_learned`.
"""

import numpy as np

from .march_kernels import UNSEEN, evaluate, sort
from .ray_kernels import _show, new_room, rays_of_tile
from .vectors import (
    LANES,
    fma,
    kernel,
    load,
    one_minus_exp,
    part,
    softplus,
    splat,
    store,
    where_less,
)

_ZERO, _HALF, _ONE, _TWO = np.float32(0), np.float32(0.5), np.float32(1), np.float32(2)

__all__ = ["composite", "new_room", "place_samples", "rays_of_tile"]


@kernel
def place_samples(masses, edges, mass, order, jitter, depths, left, found, kept, first, last):
    """Writes the sorted `robust_sampling.depths_in_bins` of the rays `order`[first … last].

    Only bins of more than an even share of what may be dropped are sorted: the others together
    can't be needed to hold the mass.
    """
    bins, samples = len(edges) - 1, depths.shape[1]
    most = min(samples, bins)
    for number in range(first, last):
        ray = order[number]
        total = _ZERO
        for one in range(bins):
            total += masses[ray, one]
        least = total * (_ONE - mass) / np.float32(bins) * _HALF
        candidates = 0
        for one in range(bins):
            if masses[ray, one] > least:
                left[candidates], found[candidates] = masses[ray, one], one
                candidates += 1
        count, held = 0, _ZERO
        while count < min(most, candidates) and (count == 0 or held < mass * total):
            best = 0
            for one in range(1, candidates):
                if left[one] > left[best]:
                    best = one
            kept[count] = found[best]
            held += left[best]
            left[best] = -_ONE
            count += 1
        if count == 0:  # a ray of no mass
            kept[0], count = 0, 1
        whole, rest = samples // count, samples % count
        for sample in range(samples):
            rank = sample % count
            place = np.float32(sample // count) + jitter[ray % len(jitter), sample]
            place /= np.float32(whole + (1 if rank < rest else 0))
            near = edges[kept[rank]]
            depths[ray, sample] = near + place * (edges[kept[rank] + 1] - near)
        sort(depths[ray], samples)


@part
def weigh(logits, depths, count, widest, density_gain, weights):
    """`robust_sampling.clipped_weights` of sorted samples."""
    depths[count] = depths[count - 1] + _TWO * widest
    for at in range(0, count, LANES):
        step = load(depths, at + 1) - load(depths, at)
        step = where_less(step, splat(widest), step, splat(widest))
        density = softplus(load(logits, at) - splat(_ONE)) * splat(density_gain)
        store(weights, at, one_minus_exp(density * step))
    left = _ONE
    for at in range(count):
        share = weights[at]
        weights[at] = share * left
        left *= _ONE - share


@kernel
def composite(
    planes, layers, rays, order, depths, widest, density_gain, sums, room, row, first, last
):
    """Writes colours (before they are widened), weighted depths and opacities of the rays
    `order`[first … last] of one batch row; `room` is `new_room`'s.
    """
    hidden_layer, density, color_layer, prior, empty_hidden = layers
    origins, directions = rays
    feature_sums, depth_sums, opacities = sums
    taps, (points, features, hidden, slots, logits), ray_room, seen_room = room
    ray_logits, ray_depths, ray_weights, _ = ray_room
    seen, seen_weights, rows, shown = seen_room
    width, samples, colors = len(hidden_layer[1]), depths.shape[1], len(color_layer[1])
    step = len(seen) // samples
    for start in range(first, last, step):
        stop = min(start + step, last)
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
            weigh(ray_logits, ray_depths, samples, widest, density_gain, ray_weights)
            for sample in range(samples):
                weight = ray_weights[sample]
                depth_sums[ray] += weight * depths[ray, sample]
                opacities[ray] += weight
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
        place = 0
        for number in range(start, stop):
            ray, end = order[number], (number - start + 1) * samples
            first_place = place
            while place < count and seen[place] < end:
                place += 1
            for color in range(0, colors, LANES):
                value = splat(_ZERO)
                for one in range(first_place, place):
                    value = fma(splat(seen_weights[one]), load(shown, one * colors + color), value)
                store(feature_sums, ray * colors + color, value)
