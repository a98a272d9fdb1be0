"""The mean face of five points to which crops and poses are fitted: its sources and its position
in EG3D's world.

Source of the shape: MediaPipe's canonical face model (google-ai-edge/mediapipe,
`canonical_face_model.obj`, Apache-2.0), which is in centimetres. An eye is the middle of its two
corners, and the pairs are averaged over both sides: eyes (±3.15, 2.62, 3.47), tip of the nose (0,
-1.13, 7.48), corners of the mouth (±2.46, -4.34, 4.28). Its foremost point lies 6 mm higher (number
4 of the mesh, y -0.46); detectors and annotators mark that one as the tip, but the tip of published
crops' mean face is where this one's is: a crop from number 4 and this face lies where theirs do
(from number 1, 1.5 % higher). Measured from the line of the eyes, reduced
by 0.963 so that eyes and mouth are 67 mm apart, and rounded to half millimetres that gives
`MILLIMETRES`. (An eye distance of 61 mm is within the adults' 63.4 ± 3.8 mm of Dodgson 2004.) Those
67 mm, and that the crop's middle lies 29 mm below and 13 mm behind the eyes, are what published
EG3D crops show: a crop made with this face lies where theirs do. Nothing of the Basel Face Model,
whose licence forbids it, is used.

EG3D's data (its paper's supplement; the facts, not the code): the face is drawn at 300 pixels a
decimetre, and the middle 700 are kept; with a camera 10 decimetres away that is a normalised focal
length of 2985.29 / 700. A decimetre becomes 0.27 of the world, moved by (0, 0.006, 0.161), and the
camera's distance from the origin is then set to 2.7. Shrinking the whole scene about the origin by
2.7 / (2.7 + 0.161) changes no picture, so that in the world of the labels the face is `WORLD`.
"""

import numpy as np
from jaxtyping import Float

MILLIMETRES = np.array(
    [
        [-30.5, 0.0, 0.0],
        [30.5, 0.0, 0.0],
        [0.0, -36.0, 39.0],
        [-24.0, -67.0, 8.0],
        [24.0, -67.0, 8.0],
    ]
)
"""Eyes, tip of the nose, corners of the mouth: x right in a frontal photograph, y up, z towards the
viewer; the origin is midway between the eyes.
"""

CROP_MIDDLE = np.array([0.0, -29.0, -13.0])
"""The middle of the crop, millimetres in the same frame: the origin of `DECIMETRES`."""

DECIMETRES: Float[np.ndarray, "5 3"] = (MILLIMETRES - CROP_MIDDLE) / 100
"""The five points about the crop's middle."""

PIXELS_PER_DECIMETRE = 300
CROP_PIXELS = 700

CROP_DECIMETRES = CROP_PIXELS / PIXELS_PER_DECIMETRE
"""Side of the crop at the face's distance."""

FOCAL = 2985.29 / CROP_PIXELS
RADIUS = 2.7
WORLD_PER_DECIMETRE = 0.27
OFFSET = np.array([0.0, 0.006, 0.161])


def in_world(decimetres: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point 3"]:
    """Points about the crop's middle in the world of EG3D's labels."""
    return (decimetres * WORLD_PER_DECIMETRE + OFFSET) * RADIUS / (RADIUS + OFFSET[2])


WORLD: Float[np.ndarray, "5 3"] = in_world(DECIMETRES)
"""The five points in the world of EG3D's labels."""

METRES_PER_WORLD = 0.1 / WORLD_PER_DECIMETRE * (RADIUS + OFFSET[2]) / RADIUS
"""Of a face as large as the mean one."""
