"""Stated limits that keep deformed heads out: proportions of a neutral face, measured on its
landmarks, against published ranges of adults with a margin.

Ratios, because a head's size is normalised anyway. Sources of the means: Farkas 1994 (faces of
North American adults; similar in Farkas et al. 2005 for 25 groups); the limits are about four
deviations.
"""

import numpy as np

from .factors import Physique

Array = np.ndarray

LIMITS = {
    "eye distance / face width": (0.36, 0.49),
    "mouth width / eye distance": (0.64, 0.98),
    "nose width / eye distance": (0.32, 0.66),
    "eye width / eye distance": (0.41, 0.58),
    "nose length / eye to mouth": (0.56, 0.80),
    "chin height / eye to mouth": (0.42, 0.80),
    "eye opening / eye width": (0.19, 0.42),
    "lip height / mouth width": (0.26, 0.68),
    "crookedness / eye distance": (0.0, 0.05),
}


def proportions(landmarks: Array) -> dict[str, float]:
    """Of a neutral face's 68 landmarks `[68 3]`."""
    left, right = landmarks[[36, 39]].mean(0), landmarks[[42, 45]].mean(0)
    eyes, mouth = (left + right) / 2, landmarks[[48, 54]].mean(0)
    apart, down = _length(right - left), _length(mouth - eyes)
    width = _length(landmarks[45] - landmarks[42])
    middle = landmarks[[8, 27, 30, 33, 51, 57]]
    return {
        "eye distance / face width": apart / _length(landmarks[14] - landmarks[2]),
        "mouth width / eye distance": _length(landmarks[54] - landmarks[48]) / apart,
        "nose width / eye distance": _length(landmarks[35] - landmarks[31]) / apart,
        "eye width / eye distance": width / apart,
        "nose length / eye to mouth": float(eyes[1] - landmarks[33, 1]) / down,
        "chin height / eye to mouth": float(mouth[1] - landmarks[8, 1]) / down,
        "eye opening / eye width": _length(landmarks[43] - landmarks[47]) / width,
        "lip height / mouth width": float(landmarks[51, 1] - landmarks[57, 1])
        / _length(landmarks[54] - landmarks[48]),
        "crookedness / eye distance": float(np.abs(middle[:, 0] - eyes[0]).max()) / apart,
    }


def is_plausible(physique: Physique) -> bool:
    """Whether the neutral face is within all limits."""
    from .shape import neutral_landmarks

    found = proportions(neutral_landmarks(physique))
    return all(low <= found[name] <= high for name, (low, high) in LIMITS.items())


def _length(vector: Array) -> float:
    return float(np.linalg.norm(vector))
