"""One picture laid upon another by a rigid motion in the plane (LP3D supp. A3): by landmarks, or by the pictures themselves."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from .least_squares import minimise
from .similarity import Similarity

SIDES = (16, 32, 64)
"""Pictures are laid upon each other at these sizes, one after another."""


def by_landmarks(landmarks: Float[Tensor, "point 2"], target: Float[Tensor, "point 2"], *, has_scale: bool = False) -> Similarity:
    """Orthogonal Procrustes between the landmarks of a picture and those of another; positions in [0, 1], v down."""
    return Similarity.between(landmarks, target, has_scale=has_scale)


def by_pictures(image: Float[Tensor, "3 height width"], target: Float[Tensor, "3 height width"], *, rounds: int = 10) -> Similarity:
    """The rigid motion after which a picture differs least from another, coarse to fine; where no landmarks are to be had."""
    moves = torch.zeros(3, dtype=torch.float64)
    for side in SIDES:
        if side > image.shape[-1]:
            break
        small, wanted = (F.adaptive_avg_pool2d(picture[None], side) for picture in (image, target))

        def difference(moves: Tensor, small: Tensor = small, wanted: Tensor = wanted) -> Tensor:
            laid, covered = laid_on(small[0], _motion(moves))
            return ((laid[None] - wanted) * covered).flatten()

        moves = minimise(difference, moves, step=0.2 / side, rounds=rounds)
    return _motion(moves)


def laid_on(
    image: Float[Tensor, "3 height width"], motion: Similarity
) -> tuple[Float[Tensor, "3 height width"], Bool[Tensor, "1 height width"]]:
    """The picture after the motion, black where nothing of it lies, and where something does."""
    height, width = image.shape[-2:]
    back = motion.inverse()
    v, u = torch.meshgrid(*((torch.arange(size) + 0.5) / size for size in (height, width)), indexing="ij")
    source = back(torch.stack([u, v], -1).to(image)) * 2 - 1
    laid = F.grid_sample((image + 1)[None], source[None].to(image), align_corners=False)[0] - 1
    covered = (source.abs() <= 1).all(-1)[None].to(image.device)
    return torch.where(covered, laid, -torch.ones_like(laid)), covered


def _motion(moves: Float[Tensor, " 3"]) -> Similarity:
    """Turns about the middle of the picture by an angle (radians), then shifts (shares of its side)."""
    cosine, sine = moves[0].cos(), moves[0].sin()
    rotation = torch.stack([cosine, -sine, sine, cosine]).reshape(2, 2)
    middle = torch.full((2,), 0.5, dtype=moves.dtype)
    return Similarity(1.0, rotation, middle - rotation @ middle + moves[1:])
