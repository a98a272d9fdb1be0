"""Means over identities with bootstrap intervals."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

RESAMPLES = 1000


@dataclass(frozen=True)
class Mean:
    """The mean over identities of the means of their views, with a 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    identities: int
    pictures: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON, rounded."""
        return {
            name: value if isinstance(value, int) else round(value, 6)
            for name, value in asdict(self).items()
        }


def mean_over_identities(values: Iterable[tuple[str, float | None]]) -> Mean | None:
    """The mean with the 2.5th and 97.5th percentile of resampled identities; None without a number.

    Identities are resampled, not views: the views of one subject are not independent.

    Args:
        values: (subject, number) for each view; views without a number are left out.
    """
    identities: dict[str, list[float]] = defaultdict(list)
    for subject, value in values:
        if value is not None:
            identities[subject].append(value)
    if not identities:
        return None
    means = np.array([np.mean(numbers) for numbers in identities.values()])
    low, high = interval(means)
    return Mean(float(means.mean()), low, high, len(means), sum(map(len, identities.values())))


def interval(means: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the means of resampled identities, from a fixed seed."""
    means = np.asarray(means)
    chosen = np.random.Generator(np.random.Philox(key=0)).integers(
        len(means), size=(RESAMPLES, len(means))
    )
    low, high = np.percentile(means[chosen].mean(1), [2.5, 97.5])
    return float(low), float(high)
