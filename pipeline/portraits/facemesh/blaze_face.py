"""MediaPipe's face detector BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047): boxes and eyes.

The numbers of anchors, scales and thresholds are those of MediaPipe's graphs
`face_detection_short_range` and `face_detection_full_range` (Apache-2.0).
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from .graph_network import GraphNetwork

Window = tuple[int, int, int, int]
"""Left, top, right, bottom of a part of a photograph, pixels."""

IS_POSITION = [0, 2, 3, 4, 5, 6, 7]
"""Rows of the network's eight pairs of numbers that are positions; 1 is the box's size."""

LARGEST_LOGIT = 100.0
"""Scores are clipped to ± this before the sigmoid."""

SAME_FACE = 0.3
"""Intersection over union from which on two boxes are one face."""


@dataclass(frozen=True)
class Candidate:
    """A face that a detector sees.

    Attributes:
        box: left, top, right, bottom, pixels of the photograph.
        eyes: the one at the left of a frontal photograph first, pixels.
        score: in [0, 1].
    """

    box: Float[np.ndarray, "4"]
    eyes: Float[np.ndarray, "2 2"]
    score: float


class BlazeFace:
    """One of the two networks.

    Args:
        path: its converted file.
        grids: (cells a side, anchors a cell) of its outputs, in order; anchors are at the middles
            of cells.
        threshold: least score, in [0, 1].
    """

    def __init__(self, path: Path, grids: tuple[tuple[int, int], ...], threshold: float) -> None:
        self.path, self.grids, self.threshold = path, grids, threshold

    @cached_property
    def network(self) -> GraphNetwork:
        """Loaded at the first picture."""
        return GraphNetwork.load(self.path)

    @cached_property
    def anchors(self) -> Float[np.ndarray, "cell 2"]:
        """Middles of the cells, in [0, 1], x first; repeated for several anchors a cell."""
        rows = []
        for count, repeated in self.grids:
            middles = (np.arange(count) + 0.5) / count
            grid = np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2)
            rows.append(np.repeat(grid, repeated, 0))
        return np.concatenate(rows)

    def detect(self, image: Image.Image, window: Window) -> list[Candidate]:
        """What it sees in a window of an RGB photograph: each face several times."""
        side = self.network.side
        scale = side / max(window[2] - window[0], window[3] - window[1])
        width = max(1, round((window[2] - window[0]) * scale))
        height = max(1, round((window[3] - window[1]) * scale))
        corner = np.array([(side - width) // 2, (side - height) // 2])
        square = Image.new("RGB", (side, side))
        reduced = image.resize((width, height), Image.Resampling.BILINEAR, window)
        square.paste(reduced, tuple(corner.tolist()))
        pixels = torch.from_numpy(np.asarray(square, np.float32) / 127.5 - 1)
        with torch.no_grad():
            numbers, logits = (
                output[0].double().numpy() for output in self.network(pixels.permute(2, 0, 1)[None])
            )
        scores = 1 / (1 + np.exp(-np.clip(logits[:, 0], -LARGEST_LOGIT, LARGEST_LOGIT)))
        kept = scores >= self.threshold
        points = numbers[kept].reshape(-1, 8, 2)  # middle, size, then six key points
        points[:, IS_POSITION] += self.anchors[kept][:, None] * side - corner
        points *= (np.array(window[2:]) - window[:2]) / (width, height)
        points[:, IS_POSITION] += window[:2]
        middle, half = points[:, 0], points[:, 1] / 2
        boxes = np.concatenate([middle - half, middle + half], 1)
        return [
            Candidate(box, eyes, float(score))
            for box, eyes, score in zip(boxes, points[:, 2:4], scores[kept], strict=True)
        ]


def weighted_suppression(candidates: list[Candidate]) -> list[Candidate]:
    """Boxes of the same face become their mean, weighted by score (BlazeFace, section 3.4); the
    best first.
    """
    boxes = np.array([found.box for found in candidates]).reshape(-1, 4)
    eyes = np.array([found.eyes for found in candidates]).reshape(-1, 2, 2)
    scores = np.array([found.score for found in candidates])
    left, result = np.argsort(-scores, kind="stable"), []
    while len(left):
        same = overlaps(boxes[left[0]], boxes[left]) > SAME_FACE
        same[0] = True
        group = left[same]
        weights = scores[group] / scores[group].sum()
        result.append(
            Candidate(
                np.tensordot(weights, boxes[group], 1),
                np.tensordot(weights, eyes[group], 1),
                float(scores[left[0]]),
            )
        )
        left = left[~same]
    return result


def overlaps(
    box: Float[np.ndarray, "4"], boxes: Float[np.ndarray, "box 4"]
) -> Float[np.ndarray, " box"]:
    """Intersection over union of one box with others; 0 where both are empty."""
    across = np.minimum(box[2], boxes[:, 2]) - np.maximum(box[0], boxes[:, 0])
    down = np.minimum(box[3], boxes[:, 3]) - np.maximum(box[1], boxes[:, 1])
    shared = across.clip(0) * down.clip(0)
    areas = [(each[..., 2] - each[..., 0]) * (each[..., 3] - each[..., 1]) for each in (box, boxes)]
    return shared / np.maximum(areas[0] + areas[1] - shared, 1e-12)
