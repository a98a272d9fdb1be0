"""Differences between two arms of a sweep, paired by seed, with intervals over the seeds."""

import math
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

STUDENT_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t with 1, 2, … degrees of freedom; the last also for more."""

Verdict = Literal["confirmed", "contradicted", "not resolved", "not measured"]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval by Student's t; None with a single seed."""

    mean: float
    low: float | None
    high: float | None
    seeds: int


def estimate(values: Mapping[str, float]) -> Estimate | None:
    """The mean of a score by seed; None without any.

    Seeds are few, so a bootstrap over them would be far too narrow.
    """
    numbers = [value for value in values.values() if math.isfinite(value)]
    if not numbers:
        return None
    mean, count = statistics.fmean(numbers), len(numbers)
    if count == 1:
        return Estimate(mean, None, None, 1)
    quantile = STUDENT_T[min(count - 1, len(STUDENT_T)) - 1]
    half = quantile * statistics.stdev(numbers) / math.sqrt(count)
    return Estimate(mean, mean - half, mean + half, count)


def paired_difference(arm: Mapping[str, float], other: Mapping[str, float]) -> Estimate | None:
    """Of arm - other, over the seeds that both have: the same seed draws the same identities and
    cameras, which cancel.
    """
    return estimate({seed: arm[seed] - other[seed] for seed in arm if seed in other})


def verdict(difference: Estimate | None, expected: Literal[-1, 1]) -> Verdict:
    """What a difference says about an expected sign: confirmed or contradicted if its 95 %
    interval excludes 0, else not resolved.
    """
    if difference is None:
        return "not measured"
    if difference.low is None or difference.high is None:
        return "not resolved"
    if difference.low <= 0 <= difference.high:
        return "not resolved"
    return "confirmed" if difference.mean * expected > 0 else "contradicted"
