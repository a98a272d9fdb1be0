"""Stereo pairs: side by side, and as an anaglyph for red and cyan glasses (Dubois 2001)."""

import numpy as np
from jaxtyping import UInt8

from .colors import to_linear, to_srgb

LEFT = np.array([[456, 500, 176], [-40, -38, -16], [-15, -21, -5]]) / 1000
RIGHT = np.array([[-43, -88, -2], [378, 734, -18], [-72, -113, 1226]]) / 1000
"""Linear light of either eye's picture → that of the anaglyph: least squares between what the eyes
see through the filters and what they should (E. Dubois, "A projection method to generate anaglyph
stereo images", ICASSP 2001, for red and cyan filters and a CRT or plasma display). Grey stays grey.
"""


def side_by_side(
    left: UInt8[np.ndarray, "height width 3"], right: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height both 3"]:
    """The left eye's picture on the left: for headsets, and for parallel eyes."""
    return np.concatenate([left, right], 1)


def anaglyph(
    left: UInt8[np.ndarray, "height width 3"], right: UInt8[np.ndarray, "height width 3"]
) -> UInt8[np.ndarray, "height width 3"]:
    """For glasses with red on the left."""
    light = (
        to_linear(left / np.float32(255)) @ LEFT.T + to_linear(right / np.float32(255)) @ RIGHT.T
    )
    return np.round(to_srgb(np.clip(light, 0, 1)) * 255).astype(np.uint8)
