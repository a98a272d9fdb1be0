"""Boxes of faces by scikit-image's cascade, whose frontal-face file is part of its wheel."""

from typing import Any

import numpy as np
from PIL import Image, ImageOps

from .face import DetectedFace, Picture

LONGEST_SIDE = 640
"""Larger photographs are reduced to this for the search."""

LEAST_SHARE = 0.08
"""Smallest box in shorter sides of the photograph: most smaller ones are no faces."""

LEAST_SIDE = 24
"""The cascade's window, pixels."""


class CascadeDetector:
    """Frontal faces by local binary patterns (Viola and Jones 2001; scikit-image's
    `feature.Cascade`): a box, no landmarks.

    Half of its detections are false. Hence a face counts only if it is detected in the mirror image
    as well; the box is the mean of both.

    Args:
        scale_factor: between consecutive window sizes.
        least_overlap: intersection over union from which on two boxes are one face.
    """

    name = "cascade"

    def __init__(self, scale_factor: float = 1.1, least_overlap: float = 0.3) -> None:
        self.scale_factor = scale_factor
        self.least_overlap = least_overlap

    def detect(self, picture: Picture) -> list[DetectedFace]:
        """Boxes in pixels of the whole photograph."""
        small = picture.image.convert("RGB")
        small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        if min(small.size) < LEAST_SIDE:
            return []
        boxes = self._boxes(small)
        mirrored = [
            DetectedFace(small.width - box.left - box.width, box.top, box.width, box.height)
            for box in self._boxes(ImageOps.mirror(small))
        ]
        agreed = [
            _mean(box, other)
            for box in boxes
            for other in mirrored
            if overlap(box, other) > self.least_overlap
        ]
        distinct: list[DetectedFace] = []
        for face in agreed:
            if all(overlap(face, other) <= self.least_overlap for other in distinct):
                distinct.append(face)
        scale = picture.image.width / small.width
        return [
            DetectedFace(
                face.left * scale, face.top * scale, face.width * scale, face.height * scale
            )
            for face in distinct
        ]

    def _boxes(self, image: Image.Image) -> list[DetectedFace]:
        least = max(LEAST_SIDE, round(LEAST_SHARE * min(image.size)))
        found: list[dict[str, Any]] = _cascade().detect_multi_scale(
            img=np.asarray(image),
            scale_factor=self.scale_factor,
            step_ratio=1,
            min_size=(least, least),
            max_size=(min(image.size), min(image.size)),
            intersection_score_threshold=self.least_overlap,
        )
        return [
            DetectedFace(
                float(box["c"]), float(box["r"]), float(box["width"]), float(box["height"])
            )
            for box in found
        ]


def overlap(one: DetectedFace, other: DetectedFace) -> float:
    """Intersection over union of two boxes; 0 of two without an area."""
    across = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    down = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    shared = max(0.0, across) * max(0.0, down)
    joined = one.width * one.height + other.width * other.height - shared
    return shared / joined if joined > 0 else 0.0


def _mean(one: DetectedFace, other: DetectedFace) -> DetectedFace:
    left, top = (one.left + other.left) / 2, (one.top + other.top) / 2
    return DetectedFace(left, top, (one.width + other.width) / 2, (one.height + other.height) / 2)


def _cascade() -> Any:
    try:
        from skimage import data, feature
    except ImportError as error:
        raise ValueError("the cascade needs scikit-image: pip install 'trilift[faces]'") from error
    return feature.Cascade(data.lbp_frontal_face_cascade_filename())
