"""Rays sampled where a network says that something is: every pixel at the final resolution, with
few samples (WYSIWYG sec. 4), in any field.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from teachers.kernels import fast_kernels

from .camera import Camera, Rays
from .compositing import expected_depth, interval_weights
from .density import density_activation_of
from .depths import centred_jitter, stratified_depths
from .marching import DensityField, Field, RayColors, RaySampling, look_up
from .proposal_network import UP
from .rendering import RayJitter
from .robust_sampling import (
    clipped_weights,
    depths_in_bins,
    drawn_depths,
    hardest_rays,
    kept_bins,
)


@dataclass(frozen=True)
class LearnedSampling:
    """How many samples go where; the defaults are the paper's.

    Attributes:
        probe_samples: uniform ones of a ray of the probe, whose image has a quarter of the side.
        samples: of most rays.
        hard_samples: of the hardest rays.
        hard_share: share of these in an image.
        mass: share of the predicted mass whose bins get samples.
        is_robust: False, for comparison: samples are drawn from the predicted distribution itself,
            instead of from all bins alike that hold most of it.
        is_stratified: False, for comparison: they are drawn one by one, so that some bins are
            missed; rays need jitter.
        emptiest: rays of which less is predicted in all bins together see nothing; 0: all are cast.
    """

    probe_samples: int = 192
    samples: int = 16
    hard_samples: int = 32
    hard_share: float = 0.1
    mass: float = 0.98
    is_robust: bool = True
    is_stratified: bool = True
    emptiest: float = 0.0

    def __post_init__(self) -> None:
        if self.probe_samples < 3 or not 1 <= self.samples <= self.hard_samples:
            raise ValueError(
                f"{self.probe_samples} probe samples, {self.samples} and {self.hard_samples} of"
                " easy and hard rays: expected at least 3, and 1 <= samples <= hard_samples"
            )
        shares = self.hard_share, self.emptiest
        if not 0 < self.mass <= 1 or not all(0 <= share <= 1 for share in shares):
            raise ValueError(
                f"mass is {self.mass}, hard_share {self.hard_share}, emptiest {self.emptiest}:"
                " expected shares of at most 1"
            )

    @property
    def mean_samples(self) -> float:
        """Look-ups of a ray of the image, those of the probe shared out."""
        easy = self.samples * (1 - self.hard_share)
        return easy + self.hard_samples * self.hard_share + self.probe_samples / UP**2


@dataclass(frozen=True)
class Probe:
    """What the coarse rays saw.

    Attributes:
        weights: of the bins, `[batch ray bin]`.
        colors: composited RGB; None where the network doesn't see them.
        rays: of the probe's pixels.
        edges: ends of the bins, the same for all rays.
    """

    weights: Float[Tensor, "batch ray bin"]
    colors: Float[Tensor, "batch ray 3"] | None
    rays: Rays
    edges: Float[Tensor, " edge"]


def probe(
    field: Field,
    camera: Camera,
    resolution: int,
    sampling: RaySampling,
    count: int,
    *,
    up: int = UP,
    has_colors: bool = True,
) -> Probe:
    """Casts rays through a quarter of the side (one `up`th) with `count` uniform samples.

    Without colours the field's densities alone are looked up, where it knows how to.

    Raises:
        ValueError: the resolution isn't a multiple of four (of `up`), or the ray limits aren't
            constant (bins are the same for all rays).
    """
    _require_probe(resolution, sampling, up)
    rays = camera.rays(resolution // up)
    batch, total = rays.directions.shape[:2]
    limits = sampling.limits(rays)
    depths = stratified_depths(limits, centred_jitter(batch, total, count, rays.directions))
    piece = max(1, sampling.points_at_once(rays.directions.device) // (batch * count))
    activation = density_activation_of(field)
    weights, colors = [], []
    for start in range(0, total, piece):
        rows = slice(start, start + piece)
        if not has_colors and isinstance(field, DensityField):
            points = rays[rows].at(depths[:, rows]).flatten(1, 2)
            logits = field.density_logit(points).reshape(depths[:, rows].shape)
        else:
            features, logits = look_up(field, rays[rows], depths[:, rows])
        part = interval_weights(logits, depths[:, rows], activation=activation)
        weights.append(part)
        if has_colors:
            ends = torch.nn.functional.pad(part, (1, 0)) + torch.nn.functional.pad(part, (0, 1))
            colors.append(torch.einsum("brs,brsf->brf", ends / 2, features[..., :3]))
    seen = torch.cat(colors, 1) if has_colors else None
    return Probe(torch.cat(weights, 1), seen, rays, depths[0, 0])


def _require_probe(resolution: int, sampling: RaySampling, up: int) -> None:
    if resolution % up:
        raise ValueError(f"the resolution is {resolution}: a probe needs a multiple of {up}")
    if sampling.near is None or sampling.far is None:
        raise ValueError("learned sampling needs constant ray limits: near and far are null")


def finer_edges(edges: Float[Tensor, " edge"], finer: int) -> Float[Tensor, " finer_edge"]:
    """Ends of the bins when each is cut into `finer`."""
    if finer == 1:
        return edges
    count = finer * (len(edges) - 1)
    return edges[0] + (edges[-1] - edges[0]) * (torch.arange(count + 1).to(edges) / count)


def march_learned(
    field: Field,
    camera: Camera,
    resolution: int,
    sampling: RaySampling,
    network: Callable[..., Tensor],
    counts: LearnedSampling,
    jitter: RayJitter | None = None,
) -> RayColors:
    """Renders every pixel of a square image.

    Args:
        field: what is rendered.
        camera, resolution: of the image.
        sampling: the ray limits.
        network: predicts where samples belong (`ProposalNetwork`); without gradient here. Its
            attributes, where it has them: `up`, sides of the image to one of the probe; `finer`,
            its bins to one of the probe's; `sees_image`, whether it takes the probe's colours.
        counts: how many.
        jitter: `fine` has at least `hard_samples` numbers a ray; None: the middles of the strata.

    Raises:
        ValueError: samples are drawn one by one, and there is no jitter.
    """
    if jitter is None and not counts.is_stratified:
        raise ValueError("samples that aren't stratified are drawn at random: give jitter")
    up = getattr(network, "up", UP)
    if fast_kernels():
        from .fast import learned  # numba is loaded where it is used

        _require_probe(resolution, sampling, up)
        colors = learned.march(field, camera, resolution, sampling, network, counts, jitter)
        if colors is not None:
            return colors
    with torch.no_grad():
        has_colors = getattr(network, "sees_image", True)
        seen = probe(
            field, camera, resolution, sampling, counts.probe_samples, up=up, has_colors=has_colors
        )
        masses = network(seen.weights, seen.colors, seen.rays.directions).exp()
        edges = finer_edges(seen.edges, getattr(network, "finer", 1))
        masses = masses[..., : len(edges) - 1]
        sees = torch.ones_like(masses[..., 0], dtype=torch.bool)
        if counts.emptiest:
            sees = masses.sum(-1) > counts.emptiest
            masses = masses * sees[..., None]
        hard = hardest_rays(masses, counts.samples, counts.hard_share)
    rays = camera.rays(resolution)
    groups = [(~hard & sees, counts.samples), (hard & sees, counts.hard_samples)]
    batch, total = hard.shape
    sums: Tensor | None = None
    for chosen, samples in groups:
        if not chosen.any():
            continue
        rows = _rows(chosen)
        found = _composited(field, rays, masses, edges, counts, rows, samples, jitter, sampling)
        found = found * chosen.gather(1, rows)[..., None]
        if sums is None:
            sums = found.new_zeros(batch, total, found.shape[-1])
        sums = sums.scatter_add(1, rows[..., None].expand(found.shape), found)
    if sums is None:  # nobody sees anything: one ray tells how many features there are
        features, _ = look_up(field, rays[:1], seen.edges[:1].expand(batch, 1, 1))
        sums = features.new_zeros(batch, total, features.shape[-1] + 2)
    features, depth, opacity = sums[..., :-2], sums[..., -2], sums[..., -1]
    near = seen.edges[0].expand(batch)
    far = seen.edges[-1].expand(batch)
    depth = expected_depth(depth, opacity).clamp(near[:, None], far[:, None])
    return RayColors(features, depth, opacity, near, far)


def _rows(chosen: Bool[Tensor, "batch ray"]) -> Int[Tensor, "batch row"]:
    """Numbers of the chosen rays of each image, in order; others fill up to as many as the image
    with most has.
    """
    most = int(chosen.sum(1).amax())
    return chosen.byte().topk(most, dim=1, sorted=False).indices.sort(1).values


def _composited(
    field: Field,
    rays: Rays,
    masses: Float[Tensor, "batch ray bin"],
    edges: Float[Tensor, " edge"],
    counts: LearnedSampling,
    rows: Int[Tensor, "batch row"],
    samples: int,
    jitter: RayJitter | None,
    sampling: RaySampling,
) -> Float[Tensor, "batch row sum"]:
    """Of rays, by their numbers: features, weighted depth and opacity, side by side."""
    batch = len(rows)

    def of_rows(x: Tensor) -> Tensor:
        return x.gather(1, rows[..., None].expand(-1, -1, x.shape[-1]))

    with torch.no_grad():
        given = None
        if jitter is not None:
            # Stratified numbers (`RayJitter.stratified`) rise along a ray; places in bins may not.
            given = jitter.fine[..., :samples] * jitter.fine.shape[-1] % 1
        places = edges.new_full((*rows.shape, samples), 0.5) if given is None else of_rows(given)
        depths = _placed(edges.expand(*rows.shape, -1), of_rows(masses), counts, places)
        width = (edges[1] - edges[0]).expand(*rows.shape, 1)
    here = Rays(of_rows(rays.origins), of_rows(rays.directions))
    activation = density_activation_of(field)
    piece = max(1, sampling.points_at_once(edges.device) // (batch * samples))
    sums = []
    for start in range(0, rows.shape[1], piece):
        part = slice(start, start + piece)
        at = depths[:, part]
        features, logits = look_up(field, here[part], at)
        weights = clipped_weights(activation(logits), at, width[:, part])
        sums.append(
            torch.cat(
                [
                    torch.einsum("brs,brsf->brf", weights, features),
                    (weights * at).sum(-1, keepdim=True),
                    weights.sum(-1, keepdim=True),
                ],
                -1,
            )
        )
    return torch.cat(sums, 1)


def _placed(
    edges: Float[Tensor, "batch ray edge"],
    masses: Float[Tensor, "batch ray bin"],
    counts: LearnedSampling,
    places: Float[Tensor, "batch ray sample"],
) -> Float[Tensor, "batch ray sample"]:
    """Depths of the samples, which lie at `places` of their strata."""
    samples = places.shape[-1]
    if counts.is_robust:
        bins, count = kept_bins(masses, counts.mass, samples)
        if counts.is_stratified:
            return depths_in_bins(edges, bins, count, places)
        is_kept = torch.arange(bins.shape[-1], device=bins.device) < count[..., None]
        masses = torch.zeros_like(masses).scatter(-1, bins, is_kept.to(masses))
    if counts.is_stratified:
        places = (torch.arange(samples, device=places.device) + places) / samples
    return drawn_depths(edges, masses, places)
