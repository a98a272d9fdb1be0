"""EG3D's crop of a face from its landmarks or its box."""

import math

import numpy as np
from jaxtyping import Float

from . import mean_face
from .crop import Crop
from .face import DetectedFace, FivePoints, coincide

BOX_TO_CROP = 1.55
"""Side of the crop in sides of the box of scikit-image's frontal cascade; measured on one face at
six sizes: 1.41 to 1.61.
"""

BOX_MIDDLE = (0.0, 0.02)
"""Offset of the crop's middle from the box's, in sides of the box (measured likewise)."""


def crop_of_landmarks(points: FivePoints) -> Crop:
    """EG3D's crop: rotated upright as in FFHQ; position and size are those of the mean face, fitted
    to the five points under scaled orthography.
    """
    roll = ffhq_roll(points)
    cos, sin = math.cos(roll), math.sin(roll)
    turn = np.array([[cos, -sin], [sin, cos]])
    _, scale, origin = scaled_orthography(points @ turn, mean_face.DECIMETRES)
    middle = turn @ origin
    return Crop.about(
        (float(middle[0]), float(middle[1])), scale * mean_face.CROP_DECIMETRES, math.degrees(roll)
    )


def crop_of_box(face: DetectedFace) -> Crop:
    """An approximation of EG3D's crop, without roll, from the cascade's box."""
    side = (face.width + face.height) / 2
    middle = face.centre[0] + BOX_MIDDLE[0] * side, face.centre[1] + BOX_MIDDLE[1] * side
    return Crop.about(middle, BOX_TO_CROP * side)


def ffhq_roll(points: FivePoints) -> float:
    """The face's clockwise rotation in the photograph, radians.

    FFHQ's axis (Karras et al. 2017, appendix C): the vector from eye to eye plus that from eyes to
    mouth rotated by 90°.
    """
    eye_to_eye = points[1] - points[0]
    eyes_to_mouth = (points[3] + points[4]) / 2 - (points[0] + points[1]) / 2
    axis = eye_to_eye + np.array([eyes_to_mouth[1], -eyes_to_mouth[0]])
    return math.atan2(axis[1], axis[0])


def scaled_orthography(
    points: Float[np.ndarray, "point 2"], model: Float[np.ndarray, "point 3"]
) -> tuple[Float[np.ndarray, "3 3"], float, Float[np.ndarray, "2"]]:
    """The scaled orthographic projection of a face that fits its points (least squares).

    Args:
        points: pixels.
        model: the face, decimetres.

    Returns:
        rotation from the face's axes to the photograph's (x right, y down, z forward); scale,
        pixels per decimetre; the projected origin, pixels.

    Raises:
        ValueError: the points lie on a line or in a point.
    """
    if not np.isfinite(points).all() or _is_on_a_line(points):
        raise ValueError("the landmarks lie on a line or in a point: no face looks so")
    system = np.concatenate([model, np.ones((len(model), 1))], 1)
    solution = np.linalg.lstsq(system, points, rcond=None)[0]
    first, second = solution[:3, 0], solution[:3, 1]
    scale = float(np.linalg.norm(first) + np.linalg.norm(second)) / 2
    rows = np.stack([first / np.linalg.norm(first), second / np.linalg.norm(second)])
    left, _, right = np.linalg.svd(rows, full_matrices=False)
    across, down = left @ right
    return np.stack([across, down, np.cross(across, down)]), scale, solution[3]


def _is_on_a_line(points: Float[np.ndarray, "point 2"]) -> bool:
    spread = np.linalg.svd(points - points.mean(0), compute_uv=False)
    # of points in one place, both spreads are rounding errors, and so is their ratio
    return coincide(points) or bool(spread[1] <= 1e-3 * spread[0])
