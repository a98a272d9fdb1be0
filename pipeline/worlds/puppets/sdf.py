"""Signed distances of primitives, and smooth unions of them.

These functions are compiled into one kernel, hence their plain annotations: coordinates are
`[identity point]`, sizes broadcast against them (`[identity 1]` or numbers). Distances are negative
inside. Formulas: Hart 1996 (sphere tracing), the polynomial smooth minimum of Inigo Quilez.
"""

import torch
from torch import Tensor

Size = Tensor | float


def sphere(x: Tensor, y: Tensor, z: Tensor, radius: Size) -> Tensor:
    """Exact distance to a sphere about the origin."""
    return (x * x + y * y + z * z + 1e-12).sqrt() - radius


def ellipsoid(x: Tensor, y: Tensor, z: Tensor, a: Size, b: Size, c: Size) -> Tensor:
    """First-order distance to an ellipsoid with half-axes `a, b, c`; exact for a sphere."""
    # Reciprocals once an identity: a vector division costs as much as ten multiplications.
    inverse_a, inverse_b, inverse_c = 1 / a, 1 / b, 1 / c
    x, y, z = x * inverse_a, y * inverse_b, z * inverse_c
    squared = x * x + y * y + z * z + 1e-9
    x, y, z = x * inverse_a, y * inverse_b, z * inverse_c
    return (squared - squared.sqrt()) * (x * x + y * y + z * z + 1e-9).rsqrt()


def capsule(
    x: Tensor,
    y: Tensor,
    z: Tensor,
    start: tuple[Size, Size, Size],
    end: tuple[Size, Size, Size],
    start_radius: Size,
    end_radius: Size,
) -> Tensor:
    """Distance to a segment minus a radius that runs linearly along it (exact for equal radii)."""
    px, py, pz = x - start[0], y - start[1], z - start[2]
    dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
    along = ((px * dx + py * dy + pz * dz) * (1 / (dx * dx + dy * dy + dz * dz))).clamp(0, 1)
    return sphere(
        px - along * dx,
        py - along * dy,
        pz - along * dz,
        start_radius + (end_radius - start_radius) * along,
    )


def disc(x: Tensor, height: Tensor, z: Tensor, a: Size, c: Size, thickness: float) -> Tensor:
    """A flat elliptic disc with half-axes `a, c` and a round rim: never more than the distance."""
    outward = ellipsoid(x, 0 * x, z, a, 1.0, c).clamp(min=0)
    return (outward * outward + height * height + 1e-9).sqrt() - thickness


def smooth_min(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Union whose seam is rounded over `width`; never above the plain minimum."""
    overlap = (width - (a - b).abs()).clamp(min=0)
    return torch.minimum(a, b) - overlap * overlap * (0.25 / width)


def smooth_max(a: Tensor, b: Tensor, width: float) -> Tensor:
    """Intersection whose edge is rounded over `width`."""
    return -smooth_min(-a, -b, width)


def ramp(start: Size, end: Size, value: Tensor) -> Tensor:
    """Hermite step: 0 at `start`, 1 at `end` (which may be the smaller one)."""
    t = ((value - start) * (1 / (end - start))).clamp(0, 1)
    return t * t * (3 - 2 * t)
