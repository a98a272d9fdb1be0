"""Depths from a predicted distribution over bins (WYSIWYG sec. 4.2): few for most rays, one in
every bin that matters.

A ray is cut into bins of equal width; a network predicts how the light is shared by them. Drawing
from that distribution would leave bins out by chance, and miss what is there. So the smallest set
of bins that holds most of the mass is kept (as in nucleus sampling), every kept bin gets a sample,
and what is left over goes to the heaviest.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F


def kept_bins(
    masses: Float[Tensor, "*ray bin"], mass: float, most: int
) -> tuple[Int[Tensor, "*ray most"], Int[Tensor, "*ray"]]:
    """The smallest set of bins with at least `mass` of the whole, and no more than `most`.

    Args:
        masses: at least 0; they needn't add up to 1.
        mass: share that is kept, in (0, 1].
        most: largest number of bins.

    Returns:
        Bins from the heaviest downwards, and how many of them are kept (at least 1).
    """
    most = min(most, masses.shape[-1])
    sorted_masses, order = masses.sort(-1, descending=True)
    before = F.pad(sorted_masses.cumsum(-1), (1, -1))
    total = sorted_masses.sum(-1, keepdim=True)
    # A bin is needed while those before it hold less than the share.
    count = (before < mass * total).sum(-1).clamp(1, most)
    return order[..., :most], count


def depths_in_bins(
    edges: Float[Tensor, "*ray edge"],
    bins: Int[Tensor, "*ray most"],
    count: Int[Tensor, "*ray"],
    jitter: Float[Tensor, "*ray sample"],
) -> Float[Tensor, "*ray sample"]:
    """Sorted depths: the samples are dealt to the kept bins from the heaviest downwards, round by
    round, and lie in equal strata of their bin.

    Args:
        edges: ends of the bins, one more than bins.
        bins, count: of `kept_bins`.
        jitter: in [0, 1), for each sample its place within its stratum.
    """
    samples = jitter.shape[-1]
    number = torch.arange(samples, device=jitter.device).expand(jitter.shape)
    kept = count[..., None]
    rank, round_ = number % kept, number // kept
    in_bin = samples // kept + (rank < samples % kept)
    chosen = bins.gather(-1, rank.clamp(max=bins.shape[-1] - 1))
    left, right = edges.gather(-1, chosen), edges.gather(-1, chosen + 1)
    place = (round_ + jitter) / in_bin
    return (left + place * (right - left)).sort(-1).values


def drawn_depths(
    edges: Float[Tensor, "*ray edge"],
    masses: Float[Tensor, "*ray bin"],
    numbers: Float[Tensor, "*ray sample"],
) -> Float[Tensor, "*ray sample"]:
    """Sorted depths at which the distribution function of the bins reaches numbers in [0, 1)
    (inverse transform sampling; within a bin the distribution is uniform).

    Args:
        edges: ends of the bins, one more than bins.
        masses: at least 0, some of them more; they needn't add up to 1.
        numbers: in [0, 1).
    """
    reached = F.pad(masses.cumsum(-1), (1, 0))
    wanted = numbers * reached[..., -1:]
    bins = torch.searchsorted(reached, wanted, right=True).clamp(1, masses.shape[-1]) - 1
    left, right = edges.gather(-1, bins), edges.gather(-1, bins + 1)
    share = (wanted - reached.gather(-1, bins)) / masses.gather(-1, bins).clamp(min=1e-20)
    return (left + share.clamp(0, 1) * (right - left)).sort(-1).values


def hardest_rays(
    masses: Float[Tensor, "batch ray bin"], samples: int, share: float
) -> Bool[Tensor, "batch ray"]:
    """The share of each image's rays that has most mass outside its `samples` heaviest bins.

    The same number of every image, so that images don't depend on one another.
    """
    rays = masses.shape[1]
    count = min(rays, max(0, round(share * rays)))
    heaviest = masses.topk(min(samples, masses.shape[-1]), -1).values.sum(-1)
    outside = masses.sum(-1) - heaviest
    chosen = torch.zeros(masses.shape[:2], dtype=torch.bool, device=masses.device)
    return chosen.scatter(1, outside.topk(count, 1).indices, True)


def sampler_target(
    weights: Float[Tensor, "*ray bin"], *, sigma: float = 1.0, faintest: float = 5e-3
) -> Float[Tensor, "*ray bin"]:
    """What a proposal network learns to predict from the weights of a dense sampling (sec. 4.3).

    They are blurred along the ray, small ones are dropped, and the rest adds up to 1 (to 0 where
    nothing is left: such a ray teaches nothing).

    Args:
        weights: compositing weights of the bins.
        sigma: standard deviation of the blur in bins; the paper doesn't state it. 0: no blur.
        faintest: blurred weights below are 0.
    """
    blurred = _blurred(weights, sigma) if sigma else weights
    blurred = torch.where(blurred < faintest, 0.0, blurred)
    return blurred / blurred.sum(-1, keepdim=True).clamp(min=1e-12)


def _blurred(weights: Tensor, sigma: float) -> Tensor:
    reach = max(1, round(3 * sigma))
    place = torch.arange(-reach, reach + 1, device=weights.device, dtype=weights.dtype)
    kernel = torch.exp(-0.5 * (place / sigma).square())
    kernel = kernel / kernel.sum()
    flat = weights.reshape(-1, 1, weights.shape[-1])
    blurred = F.conv1d(F.pad(flat, (reach, reach), mode="replicate"), kernel[None, None])
    return blurred.reshape(weights.shape)


def clipped_weights(
    densities: Float[Tensor, "*ray sample"],
    depths: Float[Tensor, "*ray sample"],
    widest: Float[Tensor, "*ray 1"],
) -> Float[Tensor, "*ray sample"]:
    """Compositing weights of sorted samples, each of which stands for what follows it up to the
    next, but for no more than a bin: between bins that aren't kept there is nothing.

    Args:
        densities: per world unit.
        depths: of the samples.
        widest: width of a bin.
    """
    lengths = torch.minimum(F.pad(depths.diff(dim=-1), (0, 1), value=torch.inf), widest)
    optical = densities * lengths
    # NeRF eq. 3, as in `compositing.interval_weights`.
    transmittance = torch.exp(optical - optical.cumsum(-1))
    return -torch.expm1(-optical) * transmittance
