"""Curves of time that sequences are made of."""

import math
from bisect import bisect_right

import numpy as np

from .rows import row_of

Weights = dict[str, float]


def ease(share: float) -> float:
    """From 0 to 1 with velocity and acceleration 0 at both ends: the minimum-jerk movement."""
    t = min(1.0, max(0.0, share))
    return t * t * t * (t * (6 * t - 15) + 10)


def bump(since: float, rise: float, hold: float, fall: float) -> float:
    """0 before and after, 1 while it is held; all in seconds, `since` its start."""
    return ease(since / rise) * (1 - ease((since - rise - hold) / fall))


def step(value: float, low: float, high: float) -> float:
    """Smoothly from 0 at `low` to 1 at `high`."""
    t = min(1.0, max(0.0, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)


def smooth_curve(seed: int, name: str, place: float) -> float:
    """Value noise in about [-1, 1] at a place (in knots): twice differentiable."""
    knot = math.floor(place)
    low, high = (
        float(np.clip(row_of(seed, f"curve {name} {k}").normal("value", 0.0, 0.5), -1, 1))
        for k in (knot, knot + 1)
    )
    return low + (high - low) * ease(place - knot)


class Keyframes:
    """Weights by name at rising times (seconds), eased in between.

    Args:
        frames: times and weights; a name that is absent weighs 0.
    """

    def __init__(self, frames: list[tuple[float, Weights]]) -> None:
        self._times = [time for time, _ in frames]
        self._weights = [weights for _, weights in frames]

    def at(self, time: float) -> Weights:
        """Before the first keyframe its weights, after the last one that one's."""
        after = bisect_right(self._times, time)
        if after in (0, len(self._times)):
            return dict(self._weights[min(after, len(self._times) - 1)])
        start, end = self._times[after - 1 : after + 1]
        share = ease((time - start) / (end - start))
        low, high = self._weights[after - 1 : after + 1]
        return {
            name: low.get(name, 0.0) + share * (high.get(name, 0.0) - low.get(name, 0.0))
            for name in low | high
        }
