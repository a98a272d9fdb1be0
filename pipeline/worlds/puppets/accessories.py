"""Clothes, hats, glasses, earrings, beards: signed distances in head units.

The functions are compiled, hence plain annotations: coordinates are `[identity point]`.
"""

import torch
from torch import Tensor

from .anatomy import Place
from .factors import BeardKind, CollarKind, Face, GlassesKind, Hair, HatKind, Head, Outfit
from .hair import ABSENT, is_any
from .sdf import capsule, disc, ellipsoid, ramp, smooth_max, smooth_min, sphere


def clothes(at: Place, head: Head, outfit: Outfit) -> Tensor:
    """Shoulders with a round, turtleneck or standing collar."""
    side, x, y, z = at
    d = ellipsoid(side, y + 1.95, z + 0.30, outfit.shoulders, 0.56, 0.58)
    d = smooth_min(
        d, capsule(x, y, z, (0.0, -1.62, -0.3), (0.0, -1.95, -0.3), head.neck + 0.03, 0.6), 0.25
    )
    tube = capsule(
        x, y, z, (0.0, -1.0, -0.26), (0.0, -1.6, -0.3), head.neck + 0.07, head.neck + 0.1
    )
    turtleneck = smooth_min(d, smooth_max(tube, y + 1.12, 0.04), 0.05)
    ring = (
        (x * x + (z + 0.3) ** 2 + 1e-9).sqrt() - head.neck - 0.1 - (y + 1.6) * 0.12
    ).abs() - 0.035
    standing = torch.minimum(d, smooth_max(ring, (y + 1.28 - 0.25 * z).abs() - 0.2, 0.03))
    d = torch.where(is_any(outfit.collar, CollarKind.TURTLENECK), turtleneck, d)
    return torch.where(is_any(outfit.collar, CollarKind.STANDING), standing, d)


def hat_line(at: Place) -> Tensor:
    """Height above the tilted plane in which a hat's rim lies."""
    return at.y - 0.50 - 0.22 * at.z


def hat(at: Place, head: Head, hair: Hair, outfit: Outfit) -> Tensor:
    """Cap, beanie, fedora or headband."""
    _, x, y, z = at
    width, depth = (
        head.width + 0.13 + 0.4 * hair.thickness,
        head.depth + 0.13 + 0.4 * hair.thickness,
    )
    line = hat_line(at)
    dome = ellipsoid(x, y - 0.38, z + 0.07, width, 0.78, depth)
    peak = smooth_max(disc(x, line - 0.02, z - 0.75, 0.60, 0.68, 0.035), 0.45 - z, 0.03)
    cap = torch.minimum(smooth_max(dome, 0.02 - line, 0.03), peak)
    crown = smooth_max(ellipsoid(x, y - 0.36, z + 0.07, width, 0.92, depth), -line, 0.03)
    beanie = torch.minimum(crown, smooth_max(dome - 0.06, (line - 0.02).abs() - 0.11, 0.06))
    high = smooth_max(ellipsoid(x, y - 0.52, z + 0.07, width, 0.80, depth) + 0.02, -line, 0.03)
    fedora = smooth_min(
        high, disc(x, line - 0.03, z + 0.05, width + 0.27, depth + 0.27, 0.04), 0.03
    )
    band = smooth_max((dome + 0.045).abs() - 0.05, (line - 0.02).abs() - 0.07, 0.02)
    d = torch.where(
        is_any(outfit.hat, HatKind.CAP),
        cap,
        torch.where(is_any(outfit.hat, HatKind.BEANIE), beanie, band),
    )
    d = torch.where(is_any(outfit.hat, HatKind.FEDORA), fedora, d)
    return d + ABSENT * is_any(outfit.hat, HatKind.NONE)


def glasses(at: Place, head: Head, face: Face, outfit: Outfit) -> tuple[Tensor, Tensor]:
    """The frame, and the dark lenses of sunglasses."""
    _, x, y, z = at
    gx, gy = x - face.eye_x - 0.01, y - face.eye_y + 0.01
    gz = z - 0.90 + (x - face.eye_x).clamp(min=0) * 0.25
    squared = (((gx * 0.92) ** 4 + (gy * 1.25) ** 4 + 1e-9) ** 0.25) * 0.9
    round_ = (gx * gx + gy * gy + 1e-9).sqrt()
    rim = torch.where(
        is_any(outfit.glasses, GlassesKind.SQUARE),
        squared - outfit.glasses_radius * 0.9,
        round_ - outfit.glasses_radius,
    )
    frame = (rim * rim + gz * gz + 1e-9).sqrt() - 0.022
    inner, outer = face.eye_x - outfit.glasses_radius, face.eye_x + outfit.glasses_radius
    temple = capsule(
        x,
        y,
        z,
        (outer, face.eye_y + 0.03, 0.83),
        (head.width + 0.03, face.eye_y + 0.05, 0.0),
        0.02,
        0.02,
    )
    bridge = capsule(
        x, y, z, (0.0, face.eye_y + 0.03, 0.93), (inner + 0.02, face.eye_y + 0.02, 0.9), 0.02, 0.02
    )
    frame = torch.minimum(frame, torch.minimum(temple, bridge)) + ABSENT * is_any(
        outfit.glasses, GlassesKind.NONE
    )
    lens = torch.maximum(rim, gz.abs() - 0.012) * 0.95
    return frame, lens + ABSENT * ~is_any(outfit.glasses, GlassesKind.SUN)


def earrings(at: Place, head: Head, outfit: Outfit) -> Tensor:
    """Small balls below the ears."""
    d = sphere(
        at.x - head.width - head.ear_outward * 0.5, at.y + head.ear + 0.08, at.z + 0.06, 0.055
    )
    return d + ABSENT * (1 - outfit.earrings)


def moustache(at: Place, face: Face, hair: Hair) -> Tensor:
    """A bow below the nose."""
    arch = at.y + at.x.clamp(max=0.5) ** 2
    start, end = (
        (0.0, face.mouth_y + 0.13, 0.80),
        (face.mouth_width * 0.9, face.mouth_y + 0.10, 0.70),
    )
    return capsule(at.x, arch, at.z, start, end, 0.05, 0.028) * 0.85 + ABSENT * (1 - hair.moustache)


def beard_cover(at: Place, face: Face, hair: Hair, above_mouth: Tensor) -> Tensor:
    """Where a beard grows, from 0 to 1: cheeks and chin, or the chin alone; never on the lips."""
    _, x, y, z = at
    away = (above_mouth.abs() - face.lip * 1.9).clamp(min=-0.1) + (x - face.mouth_width).clamp(
        min=0
    )
    full = ramp(-0.22, -0.38, y - 0.35 * (x - 0.3)) * ramp(-0.1, 0.12, z) * ramp(0.02, 0.09, away)
    goatee = (
        ramp(0.34, 0.22, x)
        * ramp(-0.45, -0.55, y)
        * ramp(0.02, 0.07, above_mouth.abs() - face.lip * 1.6)
    )
    return torch.where(is_any(hair.beard, BeardKind.GOATEE), goatee, full) * ramp(-1.02, -0.95, y)
