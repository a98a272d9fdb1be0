"""MediaPipe's canonical face: 468 points of a mean head, in the world of EG3D's labels."""

from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float
from safetensors.numpy import load_file

from . import mean_face

FILE = Path(__file__).parent / "facemesh" / "pretrained" / "canonical_face.safetensors"
"""Centimetres: x right in a frontal photograph, y up, z towards the viewer."""

MILLIMETRES_PER_UNIT = 9.63
"""The scale at which eyes and mouth are 67 mm apart, as the mean face's (`mean_face`)."""

EYES = (33, 133, 362, 263)
"""Corners of both eyes."""


@cache
def millimetres() -> Float[np.ndarray, "468 3"]:
    """In the frame of `mean_face.MILLIMETRES`: the origin is midway between the eyes."""
    points = load_file(FILE)["points"].astype(np.float64)
    return (points - points[list(EYES)].mean(0)) * MILLIMETRES_PER_UNIT


@cache
def decimetres() -> Float[np.ndarray, "468 3"]:
    """As `mean_face.DECIMETRES`: the origin is the middle of the crop."""
    return (millimetres() - mean_face.CROP_MIDDLE) / 100
