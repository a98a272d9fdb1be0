"""Registration of an image with another by a rigid motion in the plane (LP3D, supplement A3): from
landmarks, or from the images themselves.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from pipeline.pictures import to_uint8
from pipeline.portraits.face import LandmarkDetector, largest_face

from .least_squares import minimise
from .similarity import Similarity

SIDES = (16, 32, 64)
"""Sides of the images, coarse to fine."""


def by_landmarks(
    landmarks: Float[Tensor, "point 2"],
    target: Float[Tensor, "point 2"],
    *,
    has_scale: bool = False,
) -> Similarity:
    """Orthogonal Procrustes between the landmarks of two images; positions in [0, 1], v down."""
    return Similarity.between(landmarks, target, has_scale=has_scale)


def by_pictures(
    image: Float[Tensor, "3 height width"],
    target: Float[Tensor, "3 height width"],
    *,
    rounds: int = 10,
) -> Similarity:
    """The rigid motion that minimises the squared difference of two images, coarse to fine."""
    moves = torch.zeros(3, dtype=torch.float64)
    for side in SIDES:
        if side > image.shape[-1]:
            break
        small, wanted = (F.adaptive_avg_pool2d(picture[None], side) for picture in (image, target))

        def difference(moves: Tensor, small: Tensor = small, wanted: Tensor = wanted) -> Tensor:
            return (_sampled(small[0], _motion(moves))[0] - wanted[0]).flatten()

        moves = minimise(difference, moves, step=0.2 / side, rounds=rounds)
    return _motion(moves)


def landmarks_in(
    image: Float[Tensor, "3 side side"], detector: LandmarkDetector
) -> Float[Tensor, "point 2"] | None:
    """The landmarks of the largest face in an image, positions in [0, 1]; None without a face."""
    largest = largest_face(detector, Image.fromarray(to_uint8(image)))
    if largest is None:
        return None
    return torch.from_numpy(np.asarray(largest.landmarks, np.float64)) / image.shape[-1]


def laid_on(
    image: Float[Tensor, "3 height width"], motion: Similarity
) -> tuple[Float[Tensor, "3 height width"], Bool[Tensor, "1 height width"]]:
    """The moved image, black outside of it, and the mask of its inside."""
    laid, source = _sampled(image, motion)
    covered = (source.abs() <= 1).all(-1)[None]
    return torch.where(covered, laid, -torch.ones_like(laid)), covered


def _sampled(image: Float[Tensor, "3 height width"], motion: Similarity) -> tuple[Tensor, Tensor]:
    """The moved image with its border repeated outside, and for each pixel its source position in
    [-1, 1].
    """
    height, width = image.shape[-2:]
    v, u = torch.meshgrid(
        *((torch.arange(size) + 0.5) / size for size in (height, width)), indexing="ij"
    )
    source = motion.inverse()(torch.stack([u, v], -1).to(image)) * 2 - 1
    return F.grid_sample(
        image[None], source[None].to(image), padding_mode="border", align_corners=False
    )[0], source.to(image)


def _motion(moves: Float[Tensor, " 3"]) -> Similarity:
    """A rotation about the centre of the image (radians), then a shift (shares of its side)."""
    cosine, sine = moves[0].cos(), moves[0].sin()
    rotation = torch.stack([cosine, -sine, sine, cosine]).reshape(2, 2)
    middle = torch.full((2,), 0.5, dtype=moves.dtype)
    return Similarity(1.0, rotation, middle - rotation @ middle + moves[1:])
