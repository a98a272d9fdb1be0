"""Faces with 468 landmarks by networks that are part of this package."""

import hashlib
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from pipeline.runs.files import sha256_of_file

from ..face import DetectedFace, Picture
from .blaze_face import BlazeFace, Window, overlaps, weighted_suppression
from .mesh import FaceMesh, Mesh, square_about, square_of

PRETRAINED = Path(__file__).parent / "pretrained"

PART = 2 / 3
"""Side of the parts in which small faces are looked for, in the photograph's longer sides."""

SAME_MESH = 0.4
"""Intersection over union of two meshes' boxes from which on they are one face."""


class FaceMeshDetector:
    """MediaPipe's short-range and full-range detectors, then its face mesh; without MediaPipe.

    The first network finds faces from about a fifth of the picture on, the second smaller ones,
    down to a tenth of the width. The mesh is found twice: in the detector's square, then in the
    square about the first mesh, as MediaPipe does while it follows a face.

    Args:
        confidence: threshold of the mesh's own "this is a face", in [0, 1].
        passes: number of times that the mesh is found.

    Raises:
        ValueError: a threshold outside [0, 1] or no pass.
    """

    name = "facemesh"

    def __init__(self, confidence: float | int = 0.5, passes: int = 2) -> None:
        if not 0 <= confidence <= 1 or passes < 1:
            raise ValueError(
                f"confidence {confidence}, passes {passes}: give a confidence in [0, 1] and at"
                " least one pass"
            )
        self.confidence, self.passes = confidence, passes
        short_range = PRETRAINED / "face_detection_short_range.safetensors"
        full_range = PRETRAINED / "face_detection_full_range.safetensors"
        self.detectors = (
            (BlazeFace(short_range, ((16, 2), (8, 6)), 0.5), False),
            (BlazeFace(full_range, ((48, 1),), 0.6), True),
        )
        self.mesh = FaceMesh(PRETRAINED / "face_landmark.safetensors")

    @cached_property
    def sha256(self) -> str:
        """Of the networks' files, together."""
        files = sorted(PRETRAINED.glob("face_*.safetensors"))
        return hashlib.sha256("".join(map(sha256_of_file, files)).encode()).hexdigest()

    def detect(self, picture: Picture) -> list[DetectedFace]:
        """All faces, the largest first; landmarks in pixels of the photograph."""
        image = picture.image.convert("RGB")
        seen = [
            candidate
            for detector, spread in self.detectors
            for window in windows(image.size, spread)
            for candidate in detector.detect(image, window)
        ]
        squares = [square_about(face.box, face.eyes) for face in weighted_suppression(seen)]
        for number in range(self.passes):
            meshes = self.mesh.find(image, squares)
            if number + 1 < self.passes:
                meshes = [mesh for mesh in meshes if mesh.presence >= self.confidence]
                squares = [square_of(mesh.points) for mesh in meshes]
        faces = [mesh for mesh in meshes if mesh.presence >= self.confidence]
        return [DetectedFace.around(mesh.points) for mesh in _distinct(faces)]

    def follow(self, picture: Picture, faces: Sequence[DetectedFace]) -> list[DetectedFace | None]:
        """Faces of the frame before, found again where they were: one pass of the mesh each, and no
        detector; None where that is no face any more.
        """
        squares = [square_of(face.landmarks) for face in faces if face.landmarks is not None]
        if len(squares) < len(faces):
            raise ValueError(
                "faces without landmarks can't be followed: give those of this detector"
            )
        return [
            DetectedFace.around(mesh.points) if mesh.presence >= self.confidence else None
            for mesh in self.mesh.find(picture.image.convert("RGB"), squares)
        ]


def windows(size: tuple[int, int], is_spread: bool) -> list[Window]:
    """The whole photograph and, if asked for, squares that cover it and overlap by half: of their
    side, small faces are large enough for the network.
    """
    side = min(*size, round(PART * max(size)))
    whole = [(0, 0, *size)]
    if not is_spread or side == max(size):
        return whole
    lefts, tops = (
        np.linspace(0, length - side, 1 + math.ceil(2 * (length - side) / side)).round().astype(int)
        for length in size
    )
    return whole + [
        (left, top, left + side, top + side) for top in tops.tolist() for left in lefts.tolist()
    ]


def _distinct(meshes: list[Mesh]) -> list[Mesh]:
    """Without those that lie upon a better one; the largest first."""
    kept: list[Mesh] = []
    boxes = np.zeros((0, 4))
    for mesh in sorted(meshes, key=lambda mesh: -mesh.presence):
        box = np.concatenate([mesh.points.min(0), mesh.points.max(0)])
        if not (overlaps(box, boxes) > SAME_MESH).any():
            kept.append(mesh)
            boxes = np.concatenate([boxes, box[None]])
    return sorted(kept, key=lambda mesh: -float(np.prod(np.ptp(mesh.points, 0))))
