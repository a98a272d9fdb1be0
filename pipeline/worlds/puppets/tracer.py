"""Batched sphere tracing: a coarse march of cones, then of rays from where their cones stopped.

All identities of a batch are traced together. After some steps the rays that still travel are
gathered, so that the distance is only evaluated for them; the batch stays rectangular (the longest
list of rays decides).
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from teachers.rendering.camera import Camera, Rays

from .body import BOUND

Distance = Callable[[Tensor], Tensor]
"""World points `[identity point 3]` to signed distances `[identity point]`."""

CAUTION = 0.87
"""Share of a distance that a step takes: bent and displaced parts overestimate it a little."""

FINE_STEPS, COARSE_STEPS, CONE_SIZE = 48, 18, 4
POLISH_STEPS, POLISH_REACH = 3, 2e-3
GATHER_AT = frozenset({0, 2, 4, 6, 8, 10, 13, 16, 20, 25, 30, 35, 40})


@dataclass(frozen=True)
class Hits:
    """Where rays meet the surface: distances from the camera centre, valid where `is_hit`."""

    depths: Float[Tensor, "identity ray"]
    is_hit: Bool[Tensor, "identity ray"]


def trace(distance: Distance, camera: Camera, resolution: int) -> Hits:
    """Traces the ray through each pixel centre of a square picture."""
    rays = camera.rays(resolution)
    near, far, live = bounds(rays)
    pixel = 1 / (resolution * camera.intrinsics[:, 0, 0:1])
    if resolution % CONE_SIZE == 0 and resolution >= 8 * CONE_SIZE:
        near, live = _march_cones(distance, camera, resolution // CONE_SIZE)
    return _march(distance, rays, near, far, live, FINE_STEPS, 0.15 * pixel)


def _march_cones(distance: Distance, camera: Camera, resolution: int) -> tuple[Tensor, Tensor]:
    """How far all rays of a block of pixels go without a hit, and which blocks may hit beyond."""
    rays = camera.rays(resolution)
    start, far, _ = bounds(rays, BOUND * 1.1)
    spread = cone_radius(camera, resolution)
    depths, live = start.clone(), torch.ones_like(start, dtype=torch.bool)
    stopped = torch.zeros_like(live)
    for _ in range(COARSE_STEPS):
        room = (
            distance(rays.origins + rays.directions * depths[..., None]) * CAUTION - spread * depths
        )
        stopped = stopped | (live & (room < spread * depths))
        live = live & ~stopped & (depths < far)
        depths = torch.where(live, depths + room, depths)
    blocks = [grid.unflatten(1, (resolution, resolution)) for grid in (depths, stopped | live)]
    return tuple(
        g.repeat_interleave(CONE_SIZE, 1).repeat_interleave(CONE_SIZE, 2).flatten(1) for g in blocks
    )  # type: ignore[return-value]


def _march(
    distance: Distance,
    rays: Rays,
    depths: Tensor,
    far: Tensor,
    live: Tensor,
    steps: int,
    tolerance: Tensor,
) -> Hits:
    depths, hit = depths.clone(), torch.zeros_like(live)
    for step in range(steps):
        if step in GATHER_AT:
            chosen, _ = gather_true(live)
            if chosen.shape[1] == 0:
                break
            origins, directions = take(rays.origins, chosen), take(rays.directions, chosen)
        t = depths.gather(1, chosen)
        d = distance(origins + directions * t[..., None])
        going = live.gather(1, chosen)
        arrived = going & (d < patience(step) * tolerance * t)
        t = torch.where(going & ~arrived, t + d * CAUTION, t)
        depths.scatter_(1, chosen, t)
        hit.scatter_(1, chosen, hit.gather(1, chosen) | arrived)
        live = live.scatter(1, chosen, going & ~arrived & (t < far.gather(1, chosen)))
    return Hits(depths, hit | (live & (depths < far)))


def polish(
    distance: Distance,
    origins: Tensor,
    directions: Tensor,
    depths: Tensor,
    reach: float = POLISH_REACH,
) -> Tensor:
    """Depths `[identity point]` moved from within the tracing tolerance onto the surface.

    Three more steps do it, none longer than `reach`.
    """
    for _ in range(POLISH_STEPS):
        depths = depths + distance(origins + directions * depths[..., None]).clamp(-reach, reach)
    return depths


def gather_true(flags: Bool[Tensor, "identity ray"]) -> tuple[Tensor, Tensor]:
    """Indices `[identity longest]` of the true flags, padded with others, and their numbers."""
    counts = flags.sum(1)
    longest = int(counts.max())
    return flags.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :longest], counts


def take(values: Tensor, chosen: Tensor) -> Tensor:
    """Rows `[identity longest channel]` of `[identity ray channel]`."""
    return values.gather(1, chosen[..., None].expand(-1, -1, values.shape[-1]))


def patience(step: int) -> float:
    """How much the tolerance has grown: a ray that crawls along the surface for long has all but
    reached it.
    """
    return 1 + (step / 12) ** 2


def cone_radius(camera: Camera, resolution: int) -> Tensor:
    """Radius `[identity 1]`, at depth 1, of the cone about all rays of a block of pixels."""
    return 0.75 / (resolution * camera.intrinsics[:, 0, 0:1])


def bounds(rays: Rays, radius: float = BOUND) -> tuple[Tensor, Tensor, Tensor]:
    """Where rays enter and leave the sphere that bounds the world, and which do."""
    toward = -(rays.directions * rays.origins).sum(-1)
    room = toward.square() - rays.origins.square().sum(-1) + radius**2
    half = room.clamp(min=0).sqrt()
    return toward - half, toward + half, (room > 0) & (toward + half > 0)
