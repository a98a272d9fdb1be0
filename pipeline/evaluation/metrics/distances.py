"""Distances between two sets of features: FID and KID, by torchmetrics' mathematics."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

FEWEST = 2
"""Pictures without which a set has no covariance."""

KERNEL_SUBSET, KERNEL_SUBSETS = 1000, 100
"""Bińkowski et al. 2018: pictures of a subset, and how many subsets are drawn from larger sets."""


class Given(nn.Module):
    """Stands where torchmetrics expects a network: the features have been computed already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(
        self, features: Float[Tensor, "picture feature"]
    ) -> Float[Tensor, "picture feature"]:
        """As they are."""
        return features


def frechet_inception_distance(
    shown: Float[Tensor, "picture feature"], real: Float[Tensor, "other feature"]
) -> float:
    """Squared Fréchet distance of the Gaussians that fit the features (Heusel et al. 2017)."""
    metric = FrechetInceptionDistance(feature=Given(real.shape[1]))
    metric.update(real.double(), real=True)
    metric.update(shown.double(), real=False)
    return float(metric.compute())


def kernel_distance(
    shown: Float[Tensor, "picture feature"], real: Float[Tensor, "other feature"]
) -> float:
    """Squared maximum mean discrepancy under (x·y / n + 1)³, mean over subsets; the same every
    time.
    """
    size = min(KERNEL_SUBSET, len(shown), len(real))
    subsets = 1 if size == len(shown) == len(real) else KERNEL_SUBSETS
    metric = KernelInceptionDistance(
        feature=Given(real.shape[1]), subsets=subsets, subset_size=size
    )
    metric.update(real.double(), real=True)
    metric.update(shown.double(), real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean, _ = metric.compute()
    return float(mean)
