"""One seed's draws as plain numbers, and colours made linear."""

import numpy as np
from numpy.typing import NDArray

from pipeline.worlds.draws import FactorDraws

Array = np.ndarray
Number = float | int


class Row:
    """One identity's draws, as floats."""

    def __init__(self, draws: FactorDraws) -> None:
        self._draws = draws

    def uniform(self, name: str, low: Number = 0.0, high: Number = 1.0) -> float:
        """In [low, high)."""
        return float(self._draws.uniform(name, float(low), float(high)))

    def normal(self, name: str, mean: Number, deviation: Number, limit: Number = 2.2) -> float:
        """Clamped at `limit` deviations."""
        return float(self._draws.normal(name, float(mean), float(deviation), float(limit)))

    def normals(self, names: list[str]) -> list[float]:
        """Standard Gaussians."""
        return self._draws.normals(names)[0].tolist()

    def happens(self, name: str, probability: Number) -> bool:
        """Whether something with this probability happens."""
        return self.uniform(name) < probability

    def choice(self, name: str, weights: list[float]) -> int:
        """An index."""
        return int(self._draws.choice(name, weights))

    def color(
        self, name: str, saturation: tuple[float, float], value: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Linear RGB of any hue."""
        return linear(self._draws.color(name, saturation, value).numpy()[0, 0])

    def direction(self, name: str, yaw: float, pitch: float) -> NDArray[np.float32]:
        """The unit vector to a place at these angles."""
        return np.array(
            [np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], np.float32
        )


def row_of(seed: int, purpose: str) -> Row:
    """The draws of one seed."""
    return Row(FactorDraws([seed], purpose))


def linear(srgb: Array) -> NDArray[np.float32]:
    """Linear values of sRGB ones (IEC 61966-2-1)."""
    srgb = np.asarray(srgb, np.float32)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )
