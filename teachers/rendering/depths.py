"""Depths of ray samples: stratified, then by importance (EG3D sec. 4.1; NeRF sec. 5.2)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from .camera import Rays


@dataclass(frozen=True)
class DepthLimits:
    """First and last depth of each ray, `[batch ray]`."""

    near: Float[Tensor, "batch ray"]
    far: Float[Tensor, "batch ray"]

    def __getitem__(self, rays: slice) -> "DepthLimits":
        return DepthLimits(self.near[:, rays], self.far[:, rays])


def constant_limits(rays: Rays, near: float, far: float) -> DepthLimits:
    """The same limits for every ray."""
    shape = rays.directions[..., 0]
    return DepthLimits(torch.full_like(shape, near), torch.full_like(shape, far))


def box_limits(rays: Rays, box_size: float, *, across_batch: bool = False) -> DepthLimits:
    """Entry into and exit from the cube of side `box_size` about the origin.

    A ray that misses it is given the first entry and the last exit of the other rays of its image
    (-1 and -2 where no ray hits). `across_batch` repeats the official code instead: the whole batch
    is looked at, and the last *entry* is taken for the exit, so that the image depends on its
    neighbours.
    """
    # The slab method (Kay and Kajiya 1986). A ray parallel to a face meets it at ±∞, as it should.
    inverse = 1 / rays.directions
    first, second = (
        (-box_size / 2 - rays.origins) * inverse,
        (box_size / 2 - rays.origins) * inverse,
    )
    near = torch.minimum(first, second).amax(-1)
    far = torch.maximum(first, second).amin(-1)
    hits = near <= far
    dims = (0, 1) if across_batch else (1,)
    fill_near = torch.where(hits, near, torch.inf).amin(dims, keepdim=True)
    fill_far = torch.where(hits, near if across_batch else far, -torch.inf).amax(dims, keepdim=True)
    none_hits = ~hits.any() if across_batch else ~hits.any(1, keepdim=True)
    fill_near, fill_far = (
        fill_near.masked_fill(none_hits, -1.0),
        fill_far.masked_fill(none_hits, -2.0),
    )
    return DepthLimits(torch.where(hits, near, fill_near), torch.where(hits, far, fill_far))


def stratified_depths(
    limits: DepthLimits, jitter: Float[Tensor, "batch ray sample"], *, in_disparity: bool = False
) -> Float[Tensor, "batch ray sample"]:
    """Evenly spaced depths, each moved towards the next by its jitter in [0, 1).

    The last sample therefore lies between `far` and one step beyond it, as in the official code.
    """
    count = jitter.shape[-1]
    steps = (torch.arange(count, device=jitter.device, dtype=jitter.dtype) + jitter) / (count - 1)
    near, far = limits.near[..., None], limits.far[..., None]
    if in_disparity:
        return 1 / ((1 - steps) / near + steps / far)
    return near + steps * (far - near)


def importance_depths(
    depths: Float[Tensor, "batch ray sample"],
    weights: Float[Tensor, "batch ray interval"],
    jitter: Float[Tensor, "batch ray fine"],
) -> Float[Tensor, "batch ray fine"]:
    """Depths drawn from the smoothed weights of a first pass; no gradient flows through them.

    The weight of the interval between the samples k and k + 1 is spread over the midpoints k - 1
    and k, half an interval closer to the camera than in NeRF: published EG3D weights were trained
    with that.

    Args:
        depths: sorted sample depths of the first pass.
        weights: compositing weights of its intervals, one fewer than the depths.
        jitter: uniform numbers in [0, 1).
    """
    with torch.no_grad():
        # EG3D's smoothing: the larger of two neighbours, then the mean of two, and a floor that
        # leaves no interval without samples.
        left, right = F.pad(weights, (1, 0)), F.pad(weights, (0, 1))
        pairs = torch.maximum(left, right)
        smooth = (pairs[..., :-1] + pairs[..., 1:]) / 2 + 0.01
        # Of n samples: n - 3 masses between the first n - 2 of n - 1 midpoints, hence the shift.
        mass = smooth[..., 1:-1] + 1e-5
        cdf = F.pad(torch.cumsum(mass / mass.sum(-1, keepdim=True), -1), (1, 0))
        bins = (depths[..., 1:] + depths[..., :-1]) / 2
        last = mass.shape[-1]
        # The inverse of the CDF, linear within a bin (NeRF sec. 5.2).
        index = _rank(cdf, jitter)
        below, above = (index - 1).clamp(min=0), index.clamp(max=last)
        cdf_below, cdf_above = cdf.gather(-1, below), cdf.gather(-1, above)
        bin_below, bin_above = bins.gather(-1, below), bins.gather(-1, above)
        width = cdf_above - cdf_below
        # An empty bin is hardly ever drawn from: any width but 0 will do.
        width = torch.where(width < 1e-5, torch.ones_like(width), width)
        return bin_below + (jitter - cdf_below) / width * (bin_above - bin_below)


def _rank(
    cdf: Float[Tensor, "batch ray mass"], jitter: Float[Tensor, "batch ray fine"]
) -> Int[Tensor, "batch ray fine"]:
    """How many values of the CDF each number reaches."""
    if torch.compiler.is_exporting():  # ONNX has no such search
        return (cdf[..., None, :] <= jitter[..., None]).sum(-1)
    return torch.searchsorted(cdf, jitter.contiguous(), right=True)


def centred_jitter(
    batch: int, rays: int, samples: int, like: Tensor
) -> Float[Tensor, "batch ray sample"]:
    """Jitter that puts every stratified sample in the middle of its stratum."""
    return torch.full((batch, rays, samples), 0.5, device=like.device, dtype=like.dtype)


def even_jitter(
    batch: int, rays: int, samples: int, like: Tensor
) -> Float[Tensor, "batch ray sample"]:
    """Jitter that spaces importance samples evenly in probability."""
    even = (torch.arange(samples, device=like.device, dtype=like.dtype) + 0.5) / samples
    return even.expand(batch, rays, samples)
