"""Recognises the convention of camera matrices: under the right one, viewing axes meet."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .table import OPENCV_TO_OPENGL

MARGIN = 0.02
"""A reading is sure if it is better than the second best by this margin, in cosines."""

NEARNESS = 0.05
"""Bonus of a reading whose target is near the origin, in cosines."""

UP_MARGIN = 0.1
"""The up axis is sure if the images' mean up vector is longer along it than along the second
longest by this margin: else the cameras look down, or up, at about 45 degrees, or are rolled.
"""

READINGS = [
    (direction, axes)
    for direction in ("camera-to-world", "world-to-camera")
    for axes in ("OpenCV", "OpenGL")
]


@dataclass(frozen=True)
class Convention:
    """The most plausible convention of a file.

    Attributes:
        direction: camera-to-world or world-to-camera.
        axes: OpenCV (z forward) or OpenGL (z backward).
        up: y, -y, z, -z, x or -x: the axis of the world that is up in the images.
        is_up_sure: whether no other axis is about as much up.
        is_sure: whether no other reading fits as well.
        looks: mean cosine between viewing directions and directions to the target; 1: all cameras
            point at it.
        target: the point at which the cameras are pointed, world space.
        distances: least and greatest distance from it, world units.
    """

    direction: str
    axes: str
    up: str
    is_up_sure: bool
    is_sure: bool
    looks: float
    target: tuple[float, float, float]
    distances: tuple[float, float]

    def __str__(self) -> str:
        axes = (
            "OpenCV axes (x right, y down, z forward)"
            if self.axes == "OpenCV"
            else "OpenGL axes (x right, y up, z backward)"
        )
        return (
            f"{self.direction}, {axes}, {self.up}"
            f" up{'' if self.is_sure else ' (others fit as well)'}"
        )


@dataclass(frozen=True)
class Reading:
    """The cameras under one reading: camera-to-world matrices with OpenCV's axes, the target, and
    the mean cosine to it.
    """

    direction: str
    axes: str
    poses: Float[np.ndarray, "camera 4 4"]
    target: Float[np.ndarray, "3"]
    looks: float

    @property
    def distances(self) -> Float[np.ndarray, " camera"]:
        """From the target, world units."""
        return np.linalg.norm(self.poses[:, :3, 3] - self.target, axis=1)

    @property
    def credit(self) -> float:
        """The mean cosine plus a bonus for a target near the origin.

        The bonus decides between a matrix and its inverse: cameras about a head whose axes pass the
        origin at 0.2 are, inverted, a rig of radius 0.2 far from the origin, with the same cosines.
        """
        return self.looks + NEARNESS * min(
            1.0, float(self.distances.mean()) / max(float(np.linalg.norm(self.target)), 1e-9)
        )


def seeming_convention(matrices: Float[np.ndarray, "camera 4 4"]) -> Convention:
    """The reading under which the cameras point best at one point, or at the origin.

    Raises:
        ValueError: a matrix isn't rigid; the message has the number of the first one.
    """
    _require_rigid(matrices)
    best, second, *_ = sorted(
        (_read(matrices, *reading) for reading in READINGS), key=lambda reading: -reading.credit
    )
    up = -best.poses[:, :3, 1].mean(0)
    axis = int(np.abs(up).argmax())
    _, along_second, along_axis = sorted(np.abs(up))
    return Convention(
        direction=best.direction,
        axes=best.axes,
        up=("" if up[axis] > 0 else "-") + "xyz"[axis],
        is_up_sure=bool(along_axis - along_second > UP_MARGIN),
        is_sure=bool(best.credit - second.credit > MARGIN and best.looks > 0.5),
        looks=best.looks,
        target=(float(best.target[0]), float(best.target[1]), float(best.target[2])),
        distances=(float(best.distances.min()), float(best.distances.max())),
    )


def _read(matrices: Float[np.ndarray, "camera 4 4"], direction: str, axes: str) -> Reading:
    poses = matrices if direction == "camera-to-world" else np.linalg.inv(matrices)
    poses = poses if axes == "OpenCV" else poses @ OPENCV_TO_OPENGL
    readings = [
        Reading(direction, axes, poses, target, _cosines(poses, target))
        for target in (np.zeros(3), *_meeting_point(poses))
    ]
    return max(readings, key=lambda reading: reading.looks)


def _meeting_point(poses: np.ndarray) -> list[np.ndarray]:
    """The point nearest to all viewing axes (least squares), if unique and not within the rig."""
    forward, centres = poses[:, :3, 2], poses[:, :3, 3]
    across = np.eye(3) - forward[:, :, None] * forward[:, None]
    system = across.sum(0)
    if np.linalg.cond(system) > 1e4:
        return []
    point = np.linalg.solve(system, (across @ centres[:, :, None]).sum(0))[:, 0]
    reach = np.linalg.norm(centres - point, axis=1)
    spread = np.linalg.norm(centres - centres.mean(0), axis=1).mean()
    stands_apart = spread > 0.02 * np.linalg.norm(centres, axis=1).mean()
    return [point] if stands_apart and reach.min() > 0.1 * spread else []


def _cosines(poses: np.ndarray, target: np.ndarray) -> float:
    ahead = target - poses[:, :3, 3]
    length = np.linalg.norm(ahead, axis=1)
    return float(((ahead * poses[:, :3, 2]).sum(1) / np.maximum(length, 1e-12)).mean())


def _require_rigid(matrices: np.ndarray) -> None:
    rotations = matrices[:, :3, :3]
    wrong = {
        "isn't rigid: its rotation has scale or shear": (
            np.abs(rotations @ rotations.transpose(0, 2, 1) - np.eye(3)).max((1, 2)) > 1e-2
        ),
        "has a mirrored axis (determinant -1): flip two axes or none": np.linalg.det(rotations) < 0,
        "has a last row that isn't 0 0 0 1": (
            np.abs(matrices[:, 3] - np.array([0, 0, 0, 1.0])).max(1) > 1e-2
        ),
    }
    for reason, rows in wrong.items():
        if rows.any():
            number = int(rows.argmax())
            raise ValueError(
                f"camera {number} (of {len(matrices)}) {reason}; its matrix is"
                f" {np.round(matrices[number], 6).tolist()}"
            )
