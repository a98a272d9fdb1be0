"""MediaPipe's face mesh (Kartynnik et al. 2019, arXiv:1907.06724): 468 points of a face in a
rotated square.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image

from ..crop import Crop
from .graph_network import GraphNetwork

POINTS = 468

EYE_CORNERS = 33, 263
"""The outer corners of both eyes: their line is level in the square."""

MARGIN = 1.5
"""Side of the square in longer sides of a face's box (`face_landmarks_to_roi`)."""


@dataclass(frozen=True)
class Mesh:
    """The points of one face.

    Attributes:
        points: pixels of the photograph.
        presence: that the square holds a face, in [0, 1].
    """

    points: Float[np.ndarray, "468 2"]
    presence: float


class FaceMesh:
    """The network; `path` is its converted file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def network(self) -> GraphNetwork:
        """Loaded at the first face."""
        return GraphNetwork.load(self.path)

    def find(self, image: Image.Image, squares: Sequence[Crop]) -> list[Mesh]:
        """The points of the face in each square of an RGB photograph, repeated at its edges."""
        if not squares:
            return []
        side = self.network.side
        cuts = torch.stack([square.cut(image, side, outside="repeat") for square in squares])
        with torch.no_grad():
            coordinates, presence = self.network((cuts + 1) / 2)
        positions = coordinates.reshape(len(squares), POINTS, 3)[..., :2].double().numpy() / side
        return [
            Mesh(square.from_square(points), float(torch.sigmoid(logit)))
            for square, points, logit in zip(squares, positions, presence.flatten(), strict=True)
        ]


def square_about(box: Float[np.ndarray, "4"], eyes: Float[np.ndarray, "2 2"]) -> Crop:
    """The square in which the mesh is looked for: about the box (left, top, right, bottom), turned
    so that the eyes are level.
    """
    across, down = (eyes[1] - eyes[0]).tolist()
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    size = MARGIN * max(box[2] - box[0], box[3] - box[1])
    return Crop.about(
        (float(middle[0]), float(middle[1])), float(size), math.degrees(math.atan2(down, across))
    )


def square_of(points: Float[np.ndarray, "468 2"]) -> Crop:
    """The square about a mesh."""
    box = np.concatenate([points.min(0), points.max(0)])
    return square_about(box, points[list(EYE_CORNERS)])
