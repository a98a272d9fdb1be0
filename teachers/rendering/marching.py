"""Fields along rays → composited rays: EG3D's two passes (sec. 4.1; NeRF sec. 5.2).

Nothing here draws random numbers: jitter is given, or samples sit in the middle of their strata.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from teachers.kernels import fast_kernels

from .camera import Camera, Rays
from .compositing import composite, interval_weights, sort_samples
from .density import density_activation_of
from .depths import (
    DepthLimits,
    box_limits,
    centred_jitter,
    constant_limits,
    even_jitter,
    importance_depths,
    stratified_depths,
)
from .rendering import RayJitter


@runtime_checkable
class Field(Protocol):
    """World points → colour channels in [0, 1] and density logits.

    Its attribute `density_activation`, if there is one, takes the logits to densities (see
    `density_activation_of`).
    """

    def __call__(
        self, points: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point feature"], Float[Tensor, "batch point 1"]]:
        """Colours and density logits at world points."""
        ...


@runtime_checkable
class DensityField(Field, Protocol):
    """A field that also evaluates its density without its colours."""

    def density_logit(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """Density logits at world points."""
        ...


@runtime_checkable
class DirectionalField(Field, Protocol):
    """A field whose colours depend on where they are seen from."""

    def along(
        self, points: Float[Tensor, "batch point 3"], directions: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point feature"], Float[Tensor, "batch point 1"]]:
        """Colours and density logits at world points, seen along unit vectors."""
        ...


@dataclass(frozen=True)
class RaySampling:
    """How rays are sampled.

    Attributes:
        near, far: limits in world units; None for both: where the ray meets the box of side
            `box_size`.
        depth_samples: stratified samples of the first pass.
        importance_samples: samples of the second pass, drawn from the first's weights.
        in_disparity: first pass evenly spaced in 1/depth.
        compat: "official" repeats the batch-wide ray limits and depth clamp of the official code,
            for comparison.
        first_pass: how rays are marched. "reused": EG3D's two passes, both composited (`march`).
            "proposal": the first pass only places the second's samples (`march_proposals`). Or a
            `RayMarcher` of one's own.
        max_points: how many points are looked up at once; bounds the memory, changes no result.
            None: 2^16 on a CPU, whose caches hold no more, 2^22 elsewhere.
    """

    near: float | None = 2.25
    far: float | None = 3.3
    box_size: float = 1.0
    depth_samples: int = 48
    importance_samples: int = 48
    in_disparity: bool = False
    compat: Literal["none", "official"] = "none"
    first_pass: "str | RayMarcher" = "reused"
    max_points: int | None = None

    def __post_init__(self) -> None:
        if (self.near is None) != (self.far is None):
            raise ValueError(
                f"near is {self.near} and far is {self.far}: give both, or neither for the limits"
                " of the box"
            )
        if self.near is not None and self.far is not None and not 0 <= self.near <= self.far:
            raise ValueError(f"near is {self.near} and far is {self.far}: give 0 ≤ near ≤ far")
        if self.box_size <= 0:
            raise ValueError(f"box_size is {self.box_size}: give the side of the planes' box, > 0")
        fewest = 4 if self.importance_samples else 2
        if self.depth_samples < fewest:
            raise ValueError(
                f"depth_samples is {self.depth_samples}: {self.importance_samples} importance"
                f" samples need at least {fewest}"
            )

    def points_at_once(self, device: torch.device) -> int:
        """`max_points`, or what suits the device."""
        return self.max_points or (1 << 16 if device.type == "cpu" else 1 << 22)

    @property
    def samples_at_once(self) -> int:
        """Points of a ray that are looked up together."""
        return max(self.depth_samples, self.importance_samples, 1)

    def limits(self, rays: Rays) -> DepthLimits:
        """First and last depth of every ray, without gradient."""
        with torch.no_grad():
            if self.near is None or self.far is None:
                return box_limits(rays, self.box_size, across_batch=self.compat == "official")
            return constant_limits(rays, self.near, self.far)


@dataclass(frozen=True)
class RayColors:
    """Composited rays.

    Attributes:
        features: premultiplied by the opacity.
        depth: expected distance, between `nearest` and `farthest`; of rays that see nothing:
            `farthest`.
        opacity: sum of the compositing weights.
        nearest, farthest: first and last sample of all the rays of an image.
    """

    features: Float[Tensor, "batch ray feature"]
    depth: Float[Tensor, "batch ray"]
    opacity: Float[Tensor, "batch ray"]
    nearest: Float[Tensor, " batch"]
    farthest: Float[Tensor, " batch"]


@runtime_checkable
class RayMarcher(Protocol):
    """Casts the rays of square images through a field; rows of the batch are independent."""

    def __call__(
        self,
        field: Field,
        camera: Camera,
        resolution: int,
        sampling: RaySampling,
        jitter: RayJitter | None = None,
    ) -> RayColors:
        """The composited rays of every pixel, row by row."""
        ...


def march_two_passes(
    field: Field,
    camera: Camera,
    resolution: int,
    sampling: RaySampling,
    jitter: RayJitter | None = None,
) -> RayColors:
    """EG3D's two passes through every pixel (a `RayMarcher`)."""
    return march(field, camera.rays(resolution), sampling, jitter)


def march(
    field: Field, rays: Rays, sampling: RaySampling, jitter: RayJitter | None = None
) -> RayColors:
    """Renders rays through a field in pieces of at most `sampling.points_at_once` points.

    Rays are independent of each other, so neither the pieces nor the batch change the result (see
    `compat` for the exception).
    """
    limits = sampling.limits(rays)
    if fast_kernels():
        from .fast import march as fast_march  # numba is loaded where it is used

        colors = fast_march.march(field, rays, limits, sampling, jitter)
        if colors is not None:
            return colors
    batch, count, _ = rays.directions.shape
    piece = max(
        1, sampling.points_at_once(rays.directions.device) // (batch * sampling.samples_at_once)
    )
    pieces = [
        _march_piece(
            field, rays[rows], limits[rows], sampling, None if jitter is None else jitter[rows]
        )
        for rows in (slice(start, start + piece) for start in range(0, count, piece))
    ]
    nearest = torch.stack([p.nearest for p in pieces]).amin(0)
    farthest = torch.stack([p.farthest for p in pieces]).amax(0)
    if sampling.compat == "official":
        nearest, farthest = nearest.amin().expand_as(nearest), farthest.amax().expand_as(farthest)
    # The depth of a ray that sees nothing is infinite; EG3D's clamp makes it the farthest sample.
    depth = torch.cat([p.depth for p in pieces], 1).clamp(nearest[:, None], farthest[:, None])
    features, opacity = (
        torch.cat([p.features for p in pieces], 1),
        torch.cat([p.opacity for p in pieces], 1),
    )
    return RayColors(features, depth, opacity, nearest, farthest)


def _march_piece(
    field: Field, rays: Rays, limits: DepthLimits, sampling: RaySampling, jitter: RayJitter | None
) -> RayColors:
    batch, count, _ = rays.directions.shape
    activation = density_activation_of(field)
    coarse = (
        centred_jitter(batch, count, sampling.depth_samples, rays.directions)
        if jitter is None
        else jitter.coarse
    )
    fine = (
        even_jitter(batch, count, sampling.importance_samples, rays.directions)
        if jitter is None
        else jitter.fine
    )
    depths = stratified_depths(limits, coarse, in_disparity=sampling.in_disparity)
    features, logits = look_up(field, rays, depths)
    if sampling.importance_samples:
        with torch.no_grad():
            weights = interval_weights(logits, depths, activation=activation)
            fine_depths = importance_depths(depths, weights, fine)
        fine_features, fine_logits = look_up(field, rays, fine_depths)
        # The first pass's samples are composited, too, as in NeRF's fine pass.
        depths, features, logits = sort_samples(
            torch.cat([depths, fine_depths], 2),
            torch.cat([features, fine_features], 2),
            torch.cat([logits, fine_logits], 2),
        )
    sums = composite(features, logits, depths, activation=activation)
    return RayColors(
        sums.features, sums.expected_depth, sums.opacity, depths.amin((1, 2)), depths.amax((1, 2))
    )


def look_up(
    field: Field, rays: Rays, depths: Float[Tensor, "batch ray sample"]
) -> tuple[Float[Tensor, "batch ray sample feature"], Float[Tensor, "batch ray sample"]]:
    """Colours and density logits at depths along rays."""
    ray, sample = depths.shape[1:]
    points = rays.at(depths).flatten(1, 2)
    if isinstance(field, DirectionalField):
        features, logits = field.along(points, rays.directions.repeat_interleave(sample, 1))
    else:
        features, logits = field(points)
    return (
        rearrange(
            features,
            "batch (ray sample) feature -> batch ray sample feature",
            ray=ray,
            sample=sample,
        ),
        rearrange(logits, "batch (ray sample) 1 -> batch ray sample", ray=ray, sample=sample),
    )
