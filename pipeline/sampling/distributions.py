"""Distributions of one number, of which camera and latent priors are made."""

from typing import Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Distribution(Protocol):
    """A distribution of one number."""

    @property
    def range(self) -> tuple[float, float]:
        """Its least and its greatest value."""
        ...

    def draw(self, random: np.random.Generator) -> float:
        """One value."""
        ...


class Fixed:
    """Always the same value."""

    def __init__(self, *, value: float | int) -> None:
        self.value = float(value)

    @property
    def range(self) -> tuple[float, float]:
        """See `Distribution`."""
        return self.value, self.value

    def draw(self, random: np.random.Generator) -> float:
        """The value."""
        return self.value


class Uniform:
    """Evenly between two limits."""

    def __init__(self, *, low: float | int, high: float | int) -> None:
        if not low <= high:
            raise ValueError(f"a uniform distribution needs low ≤ high, got {low} and {high}")
        self.low, self.high = float(low), float(high)

    @property
    def range(self) -> tuple[float, float]:
        """See `Distribution`."""
        return self.low, self.high

    def draw(self, random: np.random.Generator) -> float:
        """A value in [low, high)."""
        return self.low + (self.high - self.low) * float(random.random())


class Normal:
    """Gaussian; values beyond `limit` standard deviations are drawn again."""

    def __init__(
        self, *, mean: float | int, deviation: float | int, limit: float | int = 4.0
    ) -> None:
        if deviation < 0 or limit <= 0.5:
            raise ValueError(
                "a normal distribution needs a deviation ≥ 0 and a limit above 0.5 deviations, got"
                f" {deviation} and {limit}"
            )
        self.mean, self.deviation, self.limit = float(mean), float(deviation), float(limit)

    @property
    def range(self) -> tuple[float, float]:
        """See `Distribution`."""
        farthest = self.limit * self.deviation
        return self.mean - farthest, self.mean + farthest

    def draw(self, random: np.random.Generator) -> float:
        """A value within `limit` deviations of the mean."""
        while True:
            value = float(random.standard_normal())
            if abs(value) <= self.limit:
                return self.mean + self.deviation * value
