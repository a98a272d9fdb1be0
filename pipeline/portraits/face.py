"""What a detector finds in a photograph: faces with a box and possibly landmarks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from PIL import Image

Landmarks = Float[np.ndarray, "point 2"]
"""Pixels of the upright photograph: x right, y down, centre of the first pixel at (0.5, 0.5)."""

FivePoints = Float[np.ndarray, "5 2"]
"""Both eyes, the tip of the nose, both corners of the mouth; of each pair, the one at the left of a
frontal photograph comes first.
"""

EYES_NOSE_MOUTH = {
    5: ((0,), (1,), (2,), (3,), (4,)),
    68: (
        tuple(range(36, 42)),
        tuple(range(42, 48)),
        (30,),
        (48,),
        (54,),
    ),  # the order of iBUG's 300-W
    # MediaPipe's face mesh: an eye is the middle of its corners
    468: ((33, 133), (362, 263), (4,), (61,), (291,)),
    478: ((33, 133), (362, 263), (4,), (61,), (291,)),  # the same with the irises
}
"""Number of landmarks → the indices whose means are the five points."""

MESH_POINTS = 468
MESHES = (MESH_POINTS, 478)
"""Numbers of landmarks that are MediaPipe's mesh; the irises of the second come last."""


COINCIDING = 1e-6
"""Points no farther apart than this share of their coordinates differ by rounding only."""


@dataclass(frozen=True)
class Picture:
    """An upright photograph or frame and its source.

    Attributes:
        image: 8-bit RGB.
        source: the file; landmarks may be beside it.
        frame: number in a film, from 0; None for a photograph.
        focal_px: focal length, pixels, if the whole image is what a camera took; None: unknown.
    """

    image: Image.Image
    source: Path
    frame: int | None = None
    focal_px: float | None = None


@dataclass(frozen=True)
class DetectedFace:
    """One face.

    Attributes:
        left, top, width, height: the box, pixels.
        landmarks: 5, 68, 468 or 478; None if the detector finds boxes only.
    """

    left: int | float
    top: int | float
    width: int | float
    height: int | float
    landmarks: Landmarks | None = None

    @classmethod
    def around(cls, landmarks: Landmarks) -> "DetectedFace":
        """The face with these landmarks; the box is their bounding box."""
        (left, top), (right, bottom) = landmarks.min(0).tolist(), landmarks.max(0).tolist()
        return cls(left, top, right - left, bottom - top, landmarks)

    @property
    def centre(self) -> tuple[float, float]:
        """Of the box, pixels."""
        return self.left + self.width / 2, self.top + self.height / 2

    def pose_points(self) -> Landmarks:
        """What a pose is fitted to: all 468 points of a mesh, otherwise the five; pixels.

        Raises:
            ValueError: as `five_points`.
        """
        if self.landmarks is not None and len(self.landmarks) in MESHES:
            return self.landmarks[:MESH_POINTS].astype(np.float64)
        return self.five_points()

    def five_points(self) -> FivePoints:
        """Eyes, nose and mouth from the landmarks, pixels.

        Raises:
            ValueError: no landmarks, or a number of them whose order is unknown.
        """
        count = 0 if self.landmarks is None else len(self.landmarks)
        if self.landmarks is None or count not in EYES_NOSE_MOUTH:
            raise ValueError(
                f"{count} landmarks came, expected 5 (eyes, nose, mouth corners), 68 (iBUG), 468"
                " or 478 (MediaPipe)"
            )
        return np.stack(
            [self.landmarks[list(rows)].mean(0) for rows in EYES_NOSE_MOUTH[count]]
        ).astype(np.float64)


def coincide(points: Float[np.ndarray, "point 2"]) -> bool:
    """Whether all of the points lie in one."""
    return bool(np.ptp(points, axis=0).max() <= COINCIDING * np.abs(points).max())


@runtime_checkable
class LandmarkDetector(Protocol):
    """Finds the faces in a photograph."""

    name: str

    def detect(self, picture: Picture) -> list[DetectedFace]:
        """All faces; an empty list if there is none.

        Raises:
            ValueError: weights, a package or a readable file of landmarks is missing.
        """
        ...


def largest_face(detector: LandmarkDetector, image: Image.Image) -> DetectedFace | None:
    """The largest face with landmarks in a rendered image, which has no file; None without one."""
    found = detector.detect(Picture(image, Path("prediction.png")))
    faces = [face for face in found if face.landmarks is not None]
    return max(faces, key=lambda face: face.width * face.height, default=None)
