"""Where a head lies in the world of EG3D's labels: where EG3D's crop of its frontal photograph
would put it.

The crop is that of a mean face fitted to five points under scaled orthography. `DECIMETRES` and the
constants are those of `pipeline.portraits.mean_face` (its docstring names the sources).
"""

from dataclasses import dataclass

import numpy as np

from .landmarks import five_points

Array = np.ndarray

DECIMETRES = np.array(
    [
        [-0.305, 0.29, 0.13],
        [0.305, 0.29, 0.13],
        [0.0, -0.07, 0.52],
        [-0.24, -0.38, 0.21],
        [0.24, -0.38, 0.21],
    ]
)
"""Eyes, tip of the nose, corners of the mouth of the mean face about the crop's middle; x right in
the picture, y up, z towards the viewer.
"""
EYES_FORWARD = 0.13
SHIFT, RADIUS, WORLD_PER_DECIMETRE = np.array([0.0, 0.006, 0.161]), 2.7, 0.27


@dataclass(frozen=True)
class Frame:
    """Takes a head's decimetres to world units: `(points - origin) * scale + shift`."""

    origin: Array
    scale: float
    shift: Array

    def to_world(self, points: Array) -> Array:
        """`[point 3]`, world units."""
        return ((points - self.origin) * self.scale + self.shift).astype(np.float32)


def frame_of(landmarks: Array) -> Frame:
    """Of a neutral head's 68 landmarks `[68 3]`, decimetres."""
    points = five_points(landmarks)
    system = np.concatenate([DECIMETRES, np.ones((5, 1))], 1)
    solution = np.linalg.lstsq(system, points[:, :2], rcond=None)[0]
    size = np.linalg.norm(solution[:3], axis=0).mean()
    shrink = RADIUS / (RADIUS + SHIFT[2])
    depth = points[:2, 2].mean() - EYES_FORWARD * size
    return Frame(
        np.array([0.0, solution[3, 1], depth]),
        float(WORLD_PER_DECIMETRE * shrink / size),
        SHIFT * shrink,
    )
