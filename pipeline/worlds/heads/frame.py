"""Where a head lies in the world of EG3D's labels: where EG3D's crop of its frontal photograph
would put it.

The crop is that of a mean face fitted to five points under scaled orthography. `DECIMETRES` and the
constants are those of `pipeline.portraits.mean_face` (its docstring names the sources).

The labels' pitch 0 is the mean face's, which leans as MediaPipe's canonical face does.
MakeHuman's neutral heads look `TURNED_UP` further down than that face (docs/worlds.md).
"""

import math
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
SHRINK = RADIUS / (RADIUS + SHIFT[2])

PIVOT = (0.0, float(SHIFT[1] * SHRINK), float(SHIFT[2] * SHRINK))
"""What the cameras look at: the middle of the crop, world units. Cameras that looked at the origin
would see heads of 23° yaw a tenth of the width beside where crops have them.
"""

TURNED_UP = math.radians(2.0)
"""By which the neutral head is turned about the x axis: where MediaPipe's canonical face fits 60
neutral heads' surfaces best (1.1° to 2.5° with different parts of the face; 0.8° to 3.3° by
landmarks).
"""
SEEN_LARGER = 1.023
"""By which the crop that the face mesh's points make of a rendering is larger than that of the
vertices' five points (24 people, three yaws; 1.016 to 1.026).
"""

_UP = np.array(
    [
        [1.0, 0.0, 0.0],
        [0.0, math.cos(TURNED_UP), math.sin(TURNED_UP)],
        [0.0, -math.sin(TURNED_UP), math.cos(TURNED_UP)],
    ]
)


@dataclass(frozen=True)
class Frame:
    """Takes a head's decimetres to world units: turned up by `TURNED_UP`, then
    `(points - origin) * scale + shift`.
    """

    origin: Array
    scale: float
    shift: Array

    def to_world(self, points: Array) -> Array:
        """`[point 3]`, world units."""
        return ((points @ _UP.T - self.origin) * self.scale + self.shift).astype(np.float32)


def frame_of(landmarks: Array) -> Frame:
    """Of a neutral head's 68 landmarks `[68 3]`, decimetres."""
    points = five_points(landmarks) @ _UP.T
    system = np.concatenate([DECIMETRES, np.ones((5, 1))], 1)
    solution = np.linalg.lstsq(system, points[:, :2], rcond=None)[0]
    size = np.linalg.norm(solution[:3], axis=0).mean()
    depth = points[:2, 2].mean() - EYES_FORWARD * size
    return Frame(
        np.array([0.0, solution[3, 1], depth]),
        float(WORLD_PER_DECIMETRE * SHRINK / size / SEEN_LARGER),
        SHIFT * SHRINK,
    )
