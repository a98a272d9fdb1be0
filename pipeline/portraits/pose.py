"""The camera of a crop: perspective-n-point with the canonical face's points, robustly."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from teachers.rendering.camera import Camera

from . import canonical_face, mean_face
from .alignment import scaled_orthography
from .face import MESH_POINTS

STEPS = 50

TOLERATED = 1.345
"""Huber's constant: residuals above this many standard deviations count linearly."""

DEVIATIONS_MM = {5: (6.0, 2.5), MESH_POINTS: (10.0, 2.5)}
"""Number of points → assumed standard deviations, in each direction, of a point of another
identity's face (as a detector finds it) from the canonical one: of what both halves have in common,
and of what they haven't. Chosen so that 95 % intervals hold the truth on rendered heads
(docs/portraits.md); the mesh's is larger than faces differ, because the network guesses, too.
"""

SMOOTH_MM = 25.0
"""Over this distance on the face such deviations go together."""

MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Pose:
    """A camera and how well it is known.

    Attributes:
        camera: in EG3D's world, at EG3D's distance and focal length; a batch of one.
        distance: fitted distance from the origin, world units, before it was set to EG3D's; that of
            the true camera only if its focal length was given.
        residual: root mean square reprojection error, in sides of the crop.
        interval_deg: half widths of 95 % intervals of yaw, pitch and roll if the identity's shape
            deviates from the canonical face by `DEVIATIONS_MM`.
        points: number of points that were fitted.
        is_focal_known: whether the photograph's focal length was given.
    """

    camera: Camera
    distance: float
    residual: float
    interval_deg: tuple[float, float, float]
    points: int
    is_focal_known: bool = False

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

    @property
    def roll_deg(self) -> float:
        """Degrees, of the face in the crop, clockwise."""
        right, forward = self.camera.cam_to_world[0, :3, 0], self.camera.cam_to_world[0, :3, 2]
        level = torch.linalg.cross(forward, torch.tensor([0.0, 1.0, 0.0]))
        down = torch.linalg.cross(forward, level)
        return math.degrees(math.atan2(-float(right @ down), float(right @ level)))

    def record(self) -> dict[str, Any]:
        """What is known of it, for JSON: degrees, metres, shares of the crop's side."""
        yaw, pitch, roll = self.interval_deg
        return {
            "yaw_deg": round(self.yaw_deg, 2),
            "pitch_deg": round(self.pitch_deg, 2),
            "interval_95_deg": {
                "yaw": round(yaw, 1),
                "pitch": round(pitch, 1),
                "roll": round(roll, 1),
            },
            "points": self.points,
            "residual": round(self.residual, 4),
            "focal_length": "EXIF" if self.is_focal_known else "assumed: EG3D's",
            "distance_m": round(self.distance_m, 2) if self.is_focal_known else None,
        }

    @property
    def distance_m(self) -> float:
        """Metres, for a face as large as the mean one."""
        return self.distance * mean_face.METRES_PER_WORLD


@dataclass(frozen=True)
class Lens:
    """The camera of a whole photograph, as far as a crop needs it.

    Attributes:
        focal: in sides of the crop.
        centre: of the photograph, positions in the crop ([0, 1], u right, v down).
    """

    focal: float
    centre: tuple[float, float]


def fit_pose(
    points: Float[np.ndarray, "point 2"], lens: Lens | None = None, *, interval: bool = True
) -> Pose:
    """Minimises the reprojection error over rotation and position, initialised by the scaled
    orthographic fit: Gauss-Newton, reweighted by Huber's function where there are more than five
    points.

    Args:
        points: positions in the crop, [0, 1], u right, v down (`Crop.to_square`): 468 of the mesh,
            or the five of `DetectedFace.five_points`.
        lens: of the photograph; None: the crop was taken with EG3D's focal length, the camera
            pointing at its middle.
        interval: whether the intervals are computed, which takes longer than the fit; otherwise
            they are NaN.

    Raises:
        ValueError: the points are no projection of a face in front of the camera, or another number
            of them came.
    """
    decimetres = _model(len(points))
    world = mean_face.in_world(decimetres)
    rotation, scale, _ = scaled_orthography(points, decimetres)
    focal = mean_face.FOCAL if lens is None else lens.focal
    seen = (points - 0.5) / focal if lens is None else _towards_the_crop(points, lens)
    away = focal / (scale / mean_face.WORLD_PER_DECIMETRE)
    translation = np.append(seen.mean(0) * away, away) - rotation @ world.mean(0)
    weights = np.ones(len(points))
    for _ in range(STEPS):
        missed, jacobian = _linearised(world, rotation, translation, seen)
        if len(points) > 5:
            weights = _huber(np.linalg.norm(missed, axis=1))
        step = _solved(jacobian, missed, weights)
        rotation, translation = _turned(rotation, step[:3]), translation + step[3:]
        if np.abs(step).max() < 1e-10:
            break
    local = world @ rotation.T + translation
    if not np.isfinite(local).all() or local[:, 2].min() <= 0:
        raise ValueError("no camera sees a face so: are these landmarks in the right order?")
    missed, jacobian = _linearised(world, rotation, translation, seen)
    position = -rotation.T @ translation
    distance = float(np.linalg.norm(position))
    return Pose(
        _camera(rotation, position * (mean_face.RADIUS / distance)),
        distance,
        float(np.sqrt((missed**2).sum(1).mean()) * focal),
        _interval(jacobian, weights, decimetres, rotation, local)
        if interval
        else (math.nan, math.nan, math.nan),
        len(points),
        lens is not None,
    )


def _model(count: int) -> Float[np.ndarray, "point 3"]:
    if count == MESH_POINTS:
        return canonical_face.decimetres()
    if count == len(mean_face.DECIMETRES):
        return mean_face.DECIMETRES
    raise ValueError(f"{count} points came, expected 5 or the mesh's {MESH_POINTS}")


def _towards_the_crop(
    points: Float[np.ndarray, "point 2"], lens: Lens
) -> Float[np.ndarray, "point 2"]:
    """Slopes of the rays in a camera at the same place that points at the crop's middle, upright as
    the crop is.
    """
    rays = np.append(points - lens.centre, np.full((len(points), 1), lens.focal), 1)
    forward = np.append(0.5 - np.array(lens.centre), lens.focal)
    forward /= np.linalg.norm(forward)
    across = np.cross([0.0, 1.0, 0.0], forward)
    across /= np.linalg.norm(across)
    turned = rays @ np.stack([across, np.cross(forward, across), forward]).T
    return turned[:, :2] / turned[:, 2:]


def _linearised(
    world: Float[np.ndarray, "point 3"],
    rotation: Float[np.ndarray, "3 3"],
    translation: Float[np.ndarray, "3"],
    seen: Float[np.ndarray, "point 2"],
) -> tuple[Float[np.ndarray, "point 2"], Float[np.ndarray, "point 2 6"]]:
    """The errors and their derivatives: a rotation vector of the face about the camera's axes, then
    a translation.
    """
    turned = world @ rotation.T
    x, y, z = (turned + translation).T
    missed = np.stack([x / z, y / z], 1) - seen
    by_point = _by_point(x, y, z)
    by_turn = np.stack([np.cross(axis, turned) for axis in np.eye(3)], -1)
    return missed, np.concatenate([by_point @ by_turn, by_point], -1)


def _by_point(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Float[np.ndarray, "point 2 3"]:
    zero = np.zeros_like(z)
    return np.stack(
        [np.stack([1 / z, zero, -x / z**2], 1), np.stack([zero, 1 / z, -y / z**2], 1)], 1
    )


def _huber(distances: Float[np.ndarray, " point"]) -> Float[np.ndarray, " point"]:
    """Weights in (0, 1]; the scale is the median's (of a two-dimensional normal distribution)."""
    scale = float(np.median(distances)) / math.sqrt(2 * math.log(2))
    return np.minimum(1.0, TOLERATED * scale / np.maximum(distances, 1e-12))


def _solved(
    jacobian: Float[np.ndarray, "point 2 6"],
    missed: Float[np.ndarray, "point 2"],
    weights: Float[np.ndarray, " point"],
) -> Float[np.ndarray, "6"]:
    """A damped Gauss-Newton step."""
    weighted = jacobian * weights[:, None, None]
    normal = np.einsum("pij,pik->jk", weighted, jacobian)
    damped = normal + 1e-9 * np.trace(normal) * np.eye(6)
    return -np.linalg.solve(damped, np.einsum("pij,pi->j", weighted, missed))


def _interval(
    jacobian: Float[np.ndarray, "point 2 6"],
    weights: Float[np.ndarray, " point"],
    decimetres: Float[np.ndarray, "point 3"],
    rotation: Float[np.ndarray, "3 3"],
    local: Float[np.ndarray, "point 3"],
) -> tuple[float, float, float]:
    """Half widths of 95 % intervals, degrees: the assumed deviations of the shape, of which
    neighbouring points have the same, propagated through the linearised fit.

    A deviation field of covariance k(|p - q|) I has a symmetric and an antisymmetric half, of
    covariance (k(|p - q|) I ± k(|p - Mq|) M) / 2, M being the mirror. From the front only the
    second turns the yaw.
    """
    weighted = jacobian * weights[:, None, None]
    normal = np.einsum("pij,pik->jk", weighted, jacobian)
    inverse = np.linalg.inv(normal + 1e-9 * np.trace(normal) * np.eye(6))
    by_shape = _by_point(*local.T) @ rotation
    influence = np.einsum("jk,pik,pid->pjd", inverse[:3], weighted, by_shape)
    same, opposite = (_together(decimetres, decimetres * side) for side in (1.0, MIRROR))
    own = np.einsum("pjd,pq,qjd->j", influence, same, influence, optimize=True)
    across = np.einsum("pjd,pq,qjd->j", influence, opposite, influence * MIRROR, optimize=True)
    common, other = DEVIATIONS_MM[len(decimetres)]
    variance = common**2 * (own + across) / 2 + other**2 * (own - across) / 2
    world = mean_face.WORLD_PER_DECIMETRE / 100
    about_x, about_y, about_z = (1.96 * world * np.degrees(np.sqrt(variance))).tolist()
    return about_y, about_x, about_z


def _together(
    points: Float[np.ndarray, "point 3"], others: Float[np.ndarray, "other 3"]
) -> Float[np.ndarray, "point other"]:
    """Correlation of the deviations of points, decimetres apart."""
    apart = np.linalg.norm(points[:, None] - others[None], axis=-1) * 100
    return np.exp(-0.5 * (apart / SMOOTH_MM) ** 2)


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
