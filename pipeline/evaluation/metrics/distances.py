"""FID and KID between two sets of features, computed by torchmetrics."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

FEWEST = 2
"""Images that a covariance needs at least."""

KERNEL_SUBSET, KERNEL_SUBSETS = 1000, 100
"""Bińkowski et al. 2018: images of a subset, and number of subsets drawn from larger sets."""


class PrecomputedFeatures(nn.Module):
    """An identity in place of the network that torchmetrics expects: the features are computed
    already.
    """

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Float[Tensor, "image feature"]) -> Float[Tensor, "image feature"]:
        """Unchanged."""
        return features


def frechet_inception_distance(
    predicted: Float[Tensor, "image feature"], real: Float[Tensor, "other feature"]
) -> float:
    """Squared Fréchet distance of the Gaussians that fit the features (Heusel et al. 2017)."""
    metric = FrechetInceptionDistance(feature=PrecomputedFeatures(real.shape[1]))
    metric.update(real.double(), real=True)
    metric.update(predicted.double(), real=False)
    return float(metric.compute())


def kernel_distance(
    predicted: Float[Tensor, "image feature"], real: Float[Tensor, "other feature"]
) -> float:
    """Squared maximum mean discrepancy with the kernel (x·y / n + 1)³, mean over subsets, which are
    the same at every call.
    """
    size = min(KERNEL_SUBSET, len(predicted), len(real))
    subsets = 1 if size == len(predicted) == len(real) else KERNEL_SUBSETS
    metric = KernelInceptionDistance(
        feature=PrecomputedFeatures(real.shape[1]), subsets=subsets, subset_size=size
    )
    metric.update(real.double(), real=True)
    metric.update(predicted.double(), real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean, _ = metric.compute()
    return float(mean)
