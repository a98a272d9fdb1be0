"""The camera's exposure and tone curve."""

import numpy as np

from .light import LUMINANCE

Array = np.ndarray

MIDDLE_SKIN = 0.22
"""Luminance of the albedo that `metered` leaves as it is."""


def metered(exposure: float, albedo: Array) -> float:
    """The exposure of a camera that partly follows the brightness of the face, as photographers do:
    dark skin keeps its colours, light skin isn't blown out.
    """
    brightness = float(albedo @ LUMINANCE)
    return exposure * float(np.clip((MIDDLE_SKIN / brightness) ** 0.35, 0.75, 1.8))


def tone_mapped(color: Array, exposure: float) -> Array:
    """SRGB in [0, 1] of linear radiance: a soft shoulder above .6, else the standard curve."""
    value = np.maximum(color * exposure, 0)
    over = np.maximum(value - 0.6, 0)
    value = np.where(value > 0.6, 0.6 + over / (1 + over / 0.4), value)
    return np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055).astype(
        np.float32
    )
