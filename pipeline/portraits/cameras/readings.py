"""The four readings of a camera's matrix, and which of them fits a rig that shows one subject.

A matrix is camera-to-world or world-to-camera, its axes are OpenCV's or OpenGL's. Under the right
reading the rays through the middles of the images meet in front of the cameras, and the images
are upright. In unlucky worlds (the first camera's own, for one) a rig and its inverse meet equally
well: then no reading is better, and none is named.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .table import OPENCV_TO_OPENGL

OURS = "OpenCV camera-to-world"
READINGS = (OURS, "OpenGL camera-to-world", "OpenCV world-to-camera", "OpenGL world-to-camera")

MISS_DEG = 5.0
"""Rays that miss their subject by less, on average, aren't doubted."""

BETTER = 3.0
"""How many times nearer to the subject another reading's rays must pass."""

UPRIGHT = 0.15
"""How much more upright the images of another reading must be that fits as well."""

FAR, NEAR = 0.1, 1.0
"""A rig whose radius is less than the first share of its distance from the world's origin is
doubted, if under another reading that fits as well it is more than the second.
"""

FAR_FROM_KNOWN, NEAR_KNOWN = 2.0, 4.0
"""The same for its distance from where the subject is known to be."""


@dataclass(frozen=True)
class Fit:
    """How well cameras show one subject under a reading.

    Attributes:
        miss_deg: root mean square angle between the rays through the images' middles and the
            directions to the subject.
        upright: length of the mean of the upward axes, in [0, 1].
        nearness: the cameras' mean distance from the subject, over the subject's from the origin.
    """

    miss_deg: float
    upright: float
    nearness: float


def read_as(
    matrices: Float[np.ndarray, "camera 4 4"], reading: str
) -> Float[np.ndarray, "camera 4 4"]:
    """Camera-to-world matrices with OpenCV's axes, from matrices of one of `READINGS`."""
    axes, direction = reading.split()
    poses = np.linalg.inv(matrices) if direction == "world-to-camera" else matrices
    return poses @ OPENCV_TO_OPENGL if axes == "OpenGL" else poses


def better_reading(
    matrices: Float[np.ndarray, "camera 4 4"],
    intrinsics: Float[np.ndarray, "camera 3 3"],
    *,
    subject: Float[np.ndarray, "3"] | None = None,
) -> str | None:
    """The reading that fits clearly better than `OURS`; None if ours is as good as any.

    Args:
        matrices: rigid.
        intrinsics: divided by the image's size.
        subject: its place in the world, roughly, if it is known.
    """
    fits = {name: _fit(read_as(matrices, name), intrinsics, subject) for name in READINGS}
    ours = fits[OURS]
    best = min(fits, key=lambda name: fits[name].miss_deg)
    if ours.miss_deg > max(MISS_DEG, BETTER * fits[best].miss_deg):
        return best
    far, near = (FAR, NEAR) if subject is None else (FAR_FROM_KNOWN, NEAR_KNOWN)
    for name, fit in fits.items():
        if fit.miss_deg > max(MISS_DEG, 2 * ours.miss_deg):
            continue
        is_placed = fit.nearness > near and fit.nearness > BETTER * ours.nearness
        if fit.upright > ours.upright + UPRIGHT or (ours.nearness < far and is_placed):
            return name
    return None


def miss_deg(
    poses: Float[np.ndarray, "camera 4 4"],
    intrinsics: Float[np.ndarray, "camera 3 3"],
    target: Float[np.ndarray, "3"],
) -> float:
    """Root mean square angle between the rays through the images' middles and a point, degrees."""
    ahead = target - poses[:, :3, 3]
    length = np.linalg.norm(ahead, axis=1)
    if length.min() <= 1e-9 * max(1e-30, float(length.max())):
        return 180.0
    cosine = (ahead * _middles(poses, intrinsics)).sum(1) / length
    return float(np.sqrt(np.square(np.degrees(np.arccos(cosine.clip(-1, 1)))).mean()))


def _fit(
    poses: Float[np.ndarray, "camera 4 4"],
    intrinsics: Float[np.ndarray, "camera 3 3"],
    subject: Float[np.ndarray, "3"] | None,
) -> Fit:
    forward, centres = _middles(poses, intrinsics), poses[:, :3, 3]
    across = np.eye(3) - forward[:, :, None] * forward[:, None]
    system = across.sum(0)
    if np.linalg.eigvalsh(system)[0] < 1e-6 * len(poses):
        return Fit(180.0, 0.0, 0.0)  # parallel rays
    target = np.linalg.solve(system, (across @ centres[:, :, None]).sum(0))[:, 0]
    radius = np.linalg.norm(centres - target, axis=1)
    if radius.min() < 1e-6 * np.linalg.norm(centres, axis=1).max():
        return Fit(180.0, 0.0, 0.0)  # all cameras in one place
    away = np.linalg.norm(target - (np.zeros(3) if subject is None else subject))
    return Fit(
        miss_deg(poses, intrinsics, target),
        float(np.linalg.norm(poses[:, :3, 1].mean(0))),
        float(radius.mean() / max(away, 1e-9)),
    )


def _middles(
    poses: Float[np.ndarray, "camera 4 4"], intrinsics: Float[np.ndarray, "camera 3 3"]
) -> Float[np.ndarray, "camera 3"]:
    """Unit directions of the rays through the images' middles, world space."""
    rays = np.linalg.inv(intrinsics) @ np.array([0.5, 0.5, 1.0])
    rays = (poses[:, :3, :3] @ rays[:, :, None])[:, :, 0]
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)
