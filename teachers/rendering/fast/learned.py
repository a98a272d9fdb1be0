"""`learned_sampling.march_learned` in kernels, where nothing needs a gradient and the network takes
no colours.
"""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..camera import Camera
from ..compositing import expected_depth
from ..marching import RayColors, RaySampling
from ..rendering import RayJitter
from ..robust_sampling import hardest_rays
from ..triplane import Triplane
from ..two_layers import TwoLayers
from . import learned_kernels, lookup, proposals, shade
from .march import LayeredField
from .threads import in_parallel, slices

if TYPE_CHECKING:
    from ..learned_sampling import LearnedSampling

RAYS_AT_ONCE = 512
"""Rays of a piece of work."""


def march(
    field: object,
    camera: Camera,
    resolution: int,
    sampling: RaySampling,
    network: Callable[..., Tensor],
    counts: "LearnedSampling",
    jitter: RayJitter | None,
) -> RayColors | None:
    """As `march_learned`; None for what the kernels don't cover: see `shade.covers`."""
    from ..learned_sampling import UP, finer_edges

    layers = field.two_layers() if isinstance(field, LayeredField) else None
    coarse = camera.rays(resolution // getattr(network, "up", UP))
    if (
        layers is None
        or not (counts.is_robust and counts.is_stratified)
        or getattr(network, "sees_image", True)
        or not shade.covers(field.triplane, layers, coarse.directions, coarse.origins)  # type: ignore[attr-defined]
    ):
        return None
    triplane: Triplane = field.triplane  # type: ignore[attr-defined]
    settings = dataclasses.replace(
        sampling, depth_samples=counts.probe_samples, in_disparity=False, importance_samples=0
    )
    with torch.no_grad():
        ends, weights = proposals.first_pass(triplane, layers, coarse, settings, None, resolution)
        masses = network(weights, None, coarse.directions).exp().contiguous()
        edges = finer_edges(ends[0, 0].contiguous(), getattr(network, "finer", 1))
        return _Rays(triplane, layers, camera, resolution, masses, edges, counts, jitter).cast()


class _Rays:
    """The rays of an image, and what they add up to."""

    def __init__(
        self,
        triplane: Triplane,
        layers: TwoLayers,
        camera: Camera,
        resolution: int,
        masses: Tensor,
        edges: Tensor,
        counts: "LearnedSampling",
        jitter: RayJitter | None,
    ) -> None:
        hidden_layer, density, color_layer, prior = layers.arguments()
        empty = F.softplus(layers.hidden_bias.detach()).numpy()
        self.memory, self.layers = (
            lookup.PlaneMemory.of(triplane),
            (hidden_layer, density, color_layer, prior, empty),
        )
        self.gain = np.float32(layers.density_gain)
        self.colors, padded = len(layers.output_bias) - 1, len(color_layer[1])
        self.sizes = self.memory.channels, len(layers.hidden_bias), padded
        rays = camera.rays(resolution)
        self.origins, self.directions = (
            tensor.detach().contiguous().numpy() for tensor in (rays.origins, rays.directions)
        )
        self.masses, self.edges, self.counts = masses, edges, counts
        self.fine = np.full((1, 1, counts.hard_samples), 0.5, np.float32)
        if jitter is not None:
            # as the readable code: numbers that rise along a ray become places that don't
            fine = jitter.fine * jitter.fine.shape[-1] % 1
            self.fine = fine.float().contiguous().numpy()
        batch, total = masses.shape[:2]
        self.sums = masses.new_zeros(batch, total, padded)
        self.depth, self.opacity = masses.new_zeros(2, batch, total)

    def cast(self) -> RayColors:
        """Few samples of most rays, more of the hardest."""
        sees, hard = self._hardest()
        for chosen, samples in (
            (sees & ~hard, self.counts.samples),
            (sees & hard, self.counts.hard_samples),
        ):
            self._composite([np.flatnonzero(row) for row in chosen.numpy()], samples)
        features = self.sums[..., : self.colors] * 1.002 - 0.001 * self.opacity[..., None]
        near, far = (self.edges[end].expand(len(self.sums)) for end in (0, -1))
        depth = expected_depth(self.depth, self.opacity).clamp(near[:, None], far[:, None])
        return RayColors(features, depth, self.opacity, near, far)

    def _hardest(self) -> tuple[Tensor, Tensor]:
        """Which rays see anything, and which are an image's hardest, as in the readable code."""
        masses = self.masses[..., : len(self.edges) - 1]
        sees = torch.ones(masses.shape[:2], dtype=torch.bool)
        if self.counts.emptiest:
            sees = masses.sum(-1) > self.counts.emptiest
            masses = masses * sees[..., None]
        return sees, hardest_rays(masses, self.counts.samples, self.counts.hard_share)

    def _composite(self, order: list[np.ndarray], samples: int) -> None:
        """Adds rays, by their numbers in each batch row, of so many samples."""
        batch, total = self.masses.shape[:2]
        depths = np.empty((batch, total, samples), np.float32)
        masses, edges = self.masses.numpy(), self.edges.numpy()
        bins, widest = len(edges) - 1, np.float32(edges[1] - edges[0])
        fine = np.ascontiguousarray(self.fine[..., :samples])
        sums = self.sums.flatten(1).numpy(), self.depth.numpy(), self.opacity.numpy()

        def work(row: int, piece: slice) -> None:
            learned_kernels.place_samples(
                masses[row], edges, np.float32(self.counts.mass), order[row], fine[row % len(fine)],
                depths[row], np.empty(bins, np.float32), np.empty(bins, np.intp),
                np.empty(samples, np.intp), piece.start, piece.stop,
            )  # fmt: skip
            learned_kernels.composite(
                self.memory.arguments, self.layers, (self.origins[row], self.directions[row]),
                order[row], depths[row], widest, self.gain, tuple(one[row] for one in sums),
                learned_kernels.new_room(*self.sizes, samples), row, piece.start, piece.stop,
            )  # fmt: skip

        self._in_pieces(work, [len(rays) for rays in order])

    @staticmethod
    def _in_pieces(work: Callable[[int, slice], Any], lengths: list[int]) -> None:
        pieces = [
            (row, piece)
            for row, length in enumerate(lengths)
            for piece in slices(length, RAYS_AT_ONCE)
        ]
        in_parallel(lambda number: work(*pieces[number]), len(pieces))
