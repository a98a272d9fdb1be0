"""The camera of a crop: perspective-n-point with the mean face and five points."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from teachers.rendering.camera import Camera

from . import mean_face
from .alignment import scaled_orthography
from .face import FivePoints

STEPS = 30


@dataclass(frozen=True)
class Pose:
    """A camera and its reprojection error.

    Attributes:
        camera: in EG3D's world, at EG3D's distance and focal length; a batch of one.
        distance: fitted distance from the origin, world units, before it was set to EG3D's.
        residual: root mean square reprojection error, in sides of the crop.
    """

    camera: Camera
    distance: float
    residual: float

    @property
    def yaw_deg(self) -> float:
        """Degrees: 0 is frontal, positive towards +x."""
        x, _, z = self.camera.cam_to_world[0, :3, 3].tolist()
        return math.degrees(math.atan2(x, z))

    @property
    def pitch_deg(self) -> float:
        """Degrees: the camera's elevation."""
        x, y, z = self.camera.cam_to_world[0, :3, 3].tolist()
        return math.degrees(math.atan2(y, math.hypot(x, z)))


def fit_pose(points: FivePoints) -> Pose:
    """Minimises the reprojection error over rotation and position by Gauss-Newton, initialised by
    the scaled orthographic fit.

    Args:
        points: positions in the crop, [0, 1], u right, v down (`Crop.to_square`).

    Raises:
        ValueError: the points are no projection of a face in front of the camera.
    """
    rotation, scale, _ = scaled_orthography(points)
    seen = (points - 0.5) / mean_face.FOCAL
    away = mean_face.FOCAL / (scale / mean_face.WORLD_PER_DECIMETRE)
    middle = mean_face.WORLD.mean(0)
    translation = np.append(seen.mean(0) * away, away) - rotation @ middle
    for _ in range(STEPS):
        step = _step(rotation, translation, seen)
        rotation, translation = _turned(rotation, step[:3]), translation + step[3:]
        if np.abs(step).max() < 1e-10:
            break
    local = mean_face.WORLD @ rotation.T + translation
    if not np.isfinite(local).all() or local[:, 2].min() <= 0:
        raise ValueError("no camera sees a face so: are these landmarks in the right order?")
    missed = local[:, :2] / local[:, 2:] - seen
    residual = float(np.sqrt((missed**2).sum(1).mean()) * mean_face.FOCAL)
    position = -rotation.T @ translation
    distance = float(np.linalg.norm(position))
    return Pose(_camera(rotation, position * (mean_face.RADIUS / distance)), distance, residual)


def _step(
    rotation: Float[np.ndarray, "3 3"],
    translation: Float[np.ndarray, "3"],
    seen: Float[np.ndarray, "5 2"],
) -> Float[np.ndarray, "6"]:
    """A damped Gauss-Newton step: a rotation vector of the face about the camera's axes, then a
    translation.
    """
    turned = mean_face.WORLD @ rotation.T
    x, y, z = (turned + translation).T
    missed = np.stack([x / z, y / z], 1) - seen
    zero = np.zeros_like(z)
    by_point = np.stack(
        [np.stack([1 / z, zero, -x / z**2], 1), np.stack([zero, 1 / z, -y / z**2], 1)], 1
    )
    by_turn = np.stack([np.cross(axis, turned) for axis in np.eye(3)], -1)
    jacobian = np.concatenate([by_point @ by_turn, by_point], -1).reshape(10, 6)
    normal = jacobian.T @ jacobian
    return -np.linalg.solve(
        normal + 1e-9 * np.trace(normal) * np.eye(6), jacobian.T @ missed.reshape(10)
    )


def _turned(
    rotation: Float[np.ndarray, "3 3"], turn: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3 3"]:
    """The rotation followed by a rotation vector (Rodrigues' formula)."""
    angle = float(np.linalg.norm(turn))
    if angle < 1e-15:
        return rotation
    x, y, z = turn / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross) @ rotation


def _camera(rotation: Float[np.ndarray, "3 3"], position: Float[np.ndarray, "3"]) -> Camera:
    cam_to_world = torch.eye(4)[None]
    cam_to_world[0, :3, :3] = torch.from_numpy(rotation.T.copy())
    cam_to_world[0, :3, 3] = torch.from_numpy(position)
    intrinsics = torch.eye(3)[None]
    intrinsics[0, 0, 0] = intrinsics[0, 1, 1] = mean_face.FOCAL
    intrinsics[0, :2, 2] = 0.5
    return Camera(cam_to_world, intrinsics)
