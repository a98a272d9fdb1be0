"""Fréchet distances between sets of images on features that need no downloaded weights.

Two feature sets: `pixels` (16x16 colours: layout and palette) and `network` (channel statistics and
a coarse grid of a fixed random convolutional network: texture and parts). Both are projected onto
the 64 principal directions of the real images, and the distance is divided by the trace of the real
covariance, so that a collapse to the real mean scores 1. It is *not* FID. Compare it only with the
floor, the distance between two halves of the real images, at the same resolution and counts.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

log = logging.getLogger(__name__)

DIRECTIONS = 64
FEWEST_REAL = 16
"""Smallest number of real images."""

SMALLEST_VARIANCE = 1e-12
"""Of the features of different 8-bit images; below it is rounding."""

NETWORK_WIDTHS = (32, 64, 128, 128)
NETWORK_SEED = 7


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of projected features."""

    mean: Float[Tensor, " feature"]
    covariance: Float[Tensor, "feature feature"]

    @classmethod
    def fit(cls, features: Float[Tensor, "picture feature"]) -> "Gaussian":
        """Sample mean and covariance in double precision."""
        features = features.double()
        return cls(features.mean(0), features.mT.cov())


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """|m1 - m2|² + tr(C1 + C2 - 2 (C1 C2)^½) (Dowson & Landau 1982); infinite where one isn't
    finite.
    """
    if not all(value.isfinite().all() for value in (*vars(one).values(), *vars(other).values())):
        return math.inf
    eigenvalues = torch.linalg.eigvals(one.covariance @ other.covariance).real.clamp(min=0)
    distance = (
        (one.mean - other.mean).square().sum()
        + one.covariance.trace()
        + other.covariance.trace()
        - 2 * eigenvalues.sqrt().sum()
    )
    return max(0.0, distance.item())


def pixel_features(
    images: Float[Tensor, "picture 3 height width"],
) -> Float[Tensor, "picture feature"]:
    """Colours averaged on a 16x16 grid."""
    return F.adaptive_avg_pool2d(images, 16).flatten(1)


def network_features(
    images: Float[Tensor, "picture 3 height width"],
) -> Float[Tensor, "picture feature"]:
    """Statistics of a fixed random network with 64x64 input."""
    x = (
        images
        if images.shape[-1] == 64
        else F.interpolate(
            images, size=(64, 64), mode="bilinear", align_corners=False, antialias=True
        )
    )
    random = torch.Generator().manual_seed(NETWORK_SEED)
    statistics = []
    channels = 3
    for width in NETWORK_WIDTHS:
        weight = torch.randn(width, channels, 3, 3, generator=random) / math.sqrt(channels * 9 / 2)
        weight = weight - weight.mean((1, 2, 3), keepdim=True) / 2
        x = F.leaky_relu(F.conv2d(x, weight.to(x), stride=2, padding=1), 0.2)
        statistics += [x.mean((2, 3)), x.std((2, 3))]
        channels = width
    return torch.cat([F.adaptive_avg_pool2d(x, 2).flatten(1), *statistics[2:]], 1)


FEATURES: dict[str, Callable[[Tensor], Tensor]] = {
    "pixels": pixel_features,
    "network": network_features,
}


class FrechetScores:
    """Compares sets of images with a fixed set of real ones.

    Args:
        real: images in [-1, 1], 256 or more (with fewer, down to `FEWEST_REAL`, fewer directions
            are compared).
        compared: size of the sets that will be scored, 2 or more. The floor is measured with the
            same number of real images, at most half of them, which are left out of the reference.

    Raises:
        ValueError: there are too few real images, they are all the same, or one is to be compared.
    """

    def __init__(self, real: Float[Tensor, "picture 3 height width"], *, compared: int) -> None:
        if len(real) < FEWEST_REAL:
            raise ValueError(
                f"{len(real)} real images: Fréchet scores need at least {FEWEST_REAL}, and 256"
                " to be reliable"
            )
        if compared < 2:
            raise ValueError(f"{compared} image has no covariance: compare 2 or more")
        directions_kept = min(DIRECTIONS, len(real) // 4)
        if directions_kept < DIRECTIONS:
            log.warning(
                "only %d real images: Fréchet scores compare %d directions and are unreliable",
                len(real),
                directions_kept,
            )
        self.compared = compared
        held = min(compared, len(real) // 2)
        order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
        self._projections: dict[str, tuple[Tensor, Tensor]] = {}
        self._references: dict[str, Gaussian] = {}
        self.floor: dict[str, float] = {}
        for name in FEATURES:
            features = _in_pieces(FEATURES[name], real)[order]
            mean = features.mean(0)
            directions = (
                torch.linalg.svd((features - mean)[:4000], full_matrices=False)
                .Vh[:directions_kept]
                .mT
            )
            self._projections[name] = (mean, directions)
            projected = (features - mean) @ directions
            self._references[name] = Gaussian.fit(projected[:-held])
            if self._references[name].covariance.trace() < SMALLEST_VARIANCE:
                raise ValueError(
                    f"the {len(real) - held} real images of the reference are all the same:"
                    " Fréchet scores compare with how they vary; give images that differ"
                )
            self.floor[name] = self._compare(name, projected[-held:])
        self._spread = F.adaptive_avg_pool2d(real, 16).std(0).mean()

    def __call__(self, images: Float[Tensor, "picture 3 height width"]) -> dict[str, float]:
        """`pixels`, `network`: normalised distances; `diversity`: standard deviation relative to
        the real images'.
        """
        scores = {}
        for name, (mean, directions) in self._projections.items():
            scores[name] = self._compare(
                name, (_in_pieces(FEATURES[name], images) - mean) @ directions
            )
        scores["diversity"] = (
            F.adaptive_avg_pool2d(images, 16).std(0).mean() / self._spread
        ).item()
        return scores

    def _compare(self, name: str, projected: Tensor) -> float:
        reference = self._references[name]
        return (
            frechet_distance(reference, Gaussian.fit(projected))
            / reference.covariance.trace().item()
        )


def _in_pieces(features: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    return torch.cat([features(piece) for piece in images.split(256)])


def in_floors(distances: Mapping[str, float], floor: Mapping[str, float]) -> dict[str, float]:
    """Distances in multiples of the floor, by features."""
    return {name: value / floor[name] for name, value in distances.items()}
