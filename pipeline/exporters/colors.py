"""sRGB, in which pictures are, and linear light, in which glTF and USD take colours."""

import numpy as np
from jaxtyping import Float


def to_linear(colors: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """From sRGB in [0, 1] to linear in [0, 1] (IEC 61966-2-1)."""
    return np.where(
        colors <= 0.04045, colors / 12.92, ((np.maximum(colors, 0) + 0.055) / 1.055) ** 2.4
    ).astype(np.float32)


def to_srgb(colors: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """From linear in [0, 1] to sRGB in [0, 1], the inverse of `to_linear`."""
    curve = 1.055 * np.maximum(colors, 0) ** (1 / 2.4) - 0.055
    return np.where(colors <= 0.0031308, colors * 12.92, curve).astype(np.float32)
