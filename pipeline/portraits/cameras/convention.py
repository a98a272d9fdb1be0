"""Which convention a list of camera matrices seems to be in: cameras that were pointed at something
look at it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .table import OPENCV_TO_OPENGL

MARGIN = 0.02
"""By which the best reading must be better, in cosines, to be called sure."""

NEARNESS = 0.05
"""What a target near the origin counts, in cosines."""

READINGS = [
    (direction, axes)
    for direction in ("camera-to-world", "world-to-camera")
    for axes in ("OpenCV", "OpenGL")
]


@dataclass(frozen=True)
class Convention:
    """What it seems to be.

    Attributes:
        direction: camera-to-world or world-to-camera.
        axes: OpenCV (z forward) or OpenGL (z backward).
        up: y, -y, z, -z, x, -x: the axis of the world that is up in the pictures.
        is_sure: no other reading explains the cameras as well.
        looks: mean cosine between viewing directions and the way to what is looked at; 1: all look
            straight at it.
        target: what they look at.
        distances: least and greatest distance from it.
    """

    direction: str
    axes: str
    up: str
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
    """The cameras under one reading: their poses with OpenCV's axes, what they look at, and how
    straight.
    """

    direction: str
    axes: str
    poses: Float[np.ndarray, "camera 4 4"]
    target: Float[np.ndarray, "3"]
    looks: float

    @property
    def distances(self) -> Float[np.ndarray, " camera"]:
        """From the target."""
        return np.linalg.norm(self.poses[:, :3, 3] - self.target, axis=1)

    @property
    def credit(self) -> float:
        """How straight they look, and a little for a target near the origin.

        Cameras round a head that look past the origin by 0.2 are, inverted, a rig of radius 0.2 far
            from the origin: as straight.
        """
        return self.looks + NEARNESS * min(
            1.0, float(self.distances.mean()) / max(float(np.linalg.norm(self.target)), 1e-9)
        )


def seeming_convention(matrices: Float[np.ndarray, "camera 4 4"]) -> Convention:
    """The reading under which the cameras look best at one point, or at the origin.

    Raises:
        ValueError: the matrices aren't rigid, with the first that isn't.
    """
    _require_rigid(matrices)
    best, second, *_ = sorted(
        (_read(matrices, *reading) for reading in READINGS), key=lambda reading: -reading.credit
    )
    up = -best.poses[:, :3, 1].mean(0)
    axis = int(np.abs(up).argmax())
    return Convention(
        direction=best.direction,
        axes=best.axes,
        up=("" if up[axis] > 0 else "-") + "xyz"[axis],
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
    """The point nearest all viewing axes, if that is one and no camera's own."""
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
            raise ValueError(f"camera {int(rows.argmax())} (of {len(matrices)}) {reason}")
