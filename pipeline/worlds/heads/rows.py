"""One seed's draws as plain numbers, and colours made linear."""

from colorsys import hsv_to_rgb

import numpy as np
from numpy.typing import NDArray

from pipeline.worlds.draws import SeedDraws

Array = np.ndarray
Number = float | int


class Row(SeedDraws):
    """One seed's draws, with colours."""

    def color(
        self, name: str, saturation: tuple[float, float], value: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Linear RGB of any hue, with saturation and value (of sRGB) uniform in their ranges."""
        srgb = hsv_to_rgb(
            self.uniform(name + ".hue"),
            self.uniform(name + ".saturation", *saturation),
            self.uniform(name + ".value", *value),
        )
        return linear(np.array(srgb))


def direction(yaw: float, pitch: float) -> NDArray[np.float32]:
    """The unit vector to a place at these angles."""
    return np.array(
        [np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], np.float32
    )


def row_of(seed: int, purpose: str) -> Row:
    """The draws of one seed."""
    return Row(seed, purpose)


def linear(srgb: Array) -> NDArray[np.float32]:
    """Linear values of sRGB ones (IEC 61966-2-1)."""
    srgb = np.asarray(srgb, np.float32)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4).astype(
        np.float32
    )
