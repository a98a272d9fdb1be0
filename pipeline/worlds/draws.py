"""Random numbers that depend on (seed, purpose, name) and on nothing else.

A draw is a hash, not the next number of a sequence: adding, removing or reordering draws leaves all
others alone, and an identity is the same whatever batch it is drawn in.
"""

import zlib
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

Number = float | int


class FactorDraws:
    """Named draws for several identities at once.

    Args:
        seeds: one non-negative number per identity.
        purpose: what is drawn ("identity", "light" ...): different purposes are independent.
    """

    def __init__(self, seeds: list[int], purpose: str) -> None:
        self._keys = _scramble(np.asarray(seeds, np.uint64) ^ _word(purpose))

    def uniform(
        self, name: str, low: float = 0.0, high: float = 1.0
    ) -> Float[Tensor, "identity 1"]:
        """Uniform in [low, high)."""
        bits = _scramble(self._keys + _word(name)) >> np.uint64(40)
        return torch.from_numpy(bits.astype(np.float32))[:, None] * ((high - low) / 2**24) + low

    def normal(
        self, name: str, mean: float, deviation: float, limit: float = 2.2
    ) -> Float[Tensor, "identity 1"]:
        """Gaussian, cut off (clamped) at `limit` deviations."""
        gaussian = torch.special.ndtri(self.uniform(name, _LEAST, 1 - _LEAST)).clamp(-limit, limit)
        return mean + deviation * gaussian

    def bernoulli(self, name: str, probability: Tensor | float) -> Float[Tensor, "identity 1"]:
        """1 with the given probability, else 0."""
        return (self.uniform(name) < probability).float()

    def choice(self, name: str, weights: list[float]) -> Float[Tensor, "identity 1"]:
        """The index of one of the alternatives, with probabilities proportional to `weights`."""
        edges = torch.tensor(weights).cumsum(0) / sum(weights)
        return torch.bucketize(self.uniform(name), edges[:-1], right=True).float()

    def color(
        self, name: str, saturation: tuple[float, float], value: tuple[float, float]
    ) -> Float[Tensor, "identity 1 3"]:
        """Any hue, with saturation and value uniform in their ranges."""
        hue = self.uniform(name + ".hue")
        return hsv(
            hue,
            self.uniform(name + ".saturation", *saturation),
            self.uniform(name + ".value", *value),
        )


class SeedDraws:
    """The draws of `FactorDraws` for one seed as floats, without tensors.

    Args:
        seed: a non-negative number.
        purpose: what is drawn.
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self._key = _scramble_int(seed ^ _number(purpose))

    def uniform(self, name: str, low: Number = 0.0, high: Number = 1.0) -> float:
        """Uniform in [low, high)."""
        bits = _scramble_int(self._key + _number(name)) >> 40
        return bits * ((high - low) / 2**24) + low

    def normal(self, name: str, mean: Number, deviation: Number, limit: Number = 2.2) -> float:
        """Gaussian, clamped at `limit` deviations."""
        gaussian = _GAUSSIAN.inv_cdf(self.uniform(name, _LEAST, 1 - _LEAST))
        return mean + deviation * max(-limit, min(limit, gaussian))

    def happens(self, name: str, probability: Number) -> bool:
        """Whether something with this probability happens."""
        return self.uniform(name) < probability

    def choice(self, name: str, weights: list[float]) -> int:
        """The index of one of the alternatives, with probabilities proportional to `weights`."""
        place, total = self.uniform(name) * sum(weights), 0.0
        for index, weight in enumerate(weights):
            total += weight
            if place < total:
                return index
        return max(index for index, weight in enumerate(weights) if weight > 0)

    def normals(self, names: list[str], limit: float = 2.2) -> list[float]:
        """Standard Gaussians of many names."""
        words = np.array([_number(name) for name in names], np.uint64) + np.uint64(self._key)
        uniform = (_scramble(words) >> np.uint64(40)) * ((1 - _LEAST - _LEAST) / 2**24) + _LEAST
        return [max(-limit, min(limit, _GAUSSIAN.inv_cdf(value))) for value in uniform.tolist()]


_GAUSSIAN = NormalDist()
_LEAST = 1e-6
"""A Gaussian's quantile is of a number in [`_LEAST`, 1 - `_LEAST`)."""


def hsv(
    hue: Float[Tensor, "identity 1"],
    saturation: Float[Tensor, "identity 1"],
    value: Float[Tensor, "identity 1"],
) -> Float[Tensor, "identity 1 3"]:
    """RGB in [0, 1] of hue (turns), saturation and value."""
    phase = torch.stack([(hue * 6 + n) % 6 for n in (5.0, 3.0, 1.0)], -1)
    return value[..., None] - (value * saturation)[..., None] * torch.minimum(
        phase, 4 - phase
    ).clamp(0, 1)


def _word(text: str) -> np.uint64:
    return np.uint64(_number(text))


@lru_cache(4096)
def _number(text: str) -> int:
    return (zlib.crc32(text.encode()) << 32) | zlib.crc32(text.encode()[::-1] + b".")


def _scramble_int(value: int) -> int:
    """`_scramble` of one number."""
    for _ in range(2):
        value = (value + 0x9E3779B97F4A7C15) & _MASK
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
        value ^= value >> 31
    return value


_MASK = (1 << 64) - 1


def _scramble(values: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014), twice."""
    with np.errstate(over="ignore"):
        for _ in range(2):
            values = values + np.uint64(0x9E3779B97F4A7C15)
            values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            values = values ^ (values >> np.uint64(31))
    return values
