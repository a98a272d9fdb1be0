"""Hair on the head: thirteen styles, each a signed distance in head units.

The functions are compiled, hence plain annotations.
"""

from enum import IntEnum

import torch
from torch import Tensor

from .anatomy import Place
from .factors import Hair, HairStyle, Head
from .presence import Presence
from .sdf import capsule, ellipsoid, ramp, smooth_max, smooth_min, sphere

ABSENT = 1e3
"""A distance that no union selects."""

Style = HairStyle


def is_any(kind: Tensor, *kinds: IntEnum) -> Tensor:
    """Whether a kind is one of the given numbers."""
    found = kind == kinds[0].value
    for other in kinds[1:]:
        found = found | (kind == other.value)
    return found


def hair(at: Place, head: Head, hair: Hair, presence: Presence) -> Tensor:
    """Whatever grows (or is wrapped) on the head."""
    d = _cap(at, head, hair)
    for styles, shape in SHAPES:
        if any(style.value in presence.hair for style in styles):
            d = torch.where(is_any(hair.style, *styles), shape(at, head, hair, d), d)
    return _waves(at, hair, d) + ABSENT * is_any(hair.style, Style.BALD)


def _thickness(hair: Hair) -> Tensor:
    tied = is_any(hair.style, Style.BUN, Style.PONYTAIL, Style.SCARF)
    thick = torch.where(tied, hair.thickness * 0.45 + 0.02, hair.thickness)
    return torch.where(
        is_any(hair.style, Style.BUZZ),
        0.018,
        torch.where(is_any(hair.style, Style.QUIFF), thick * 0.8, thick),
    )


def _line(hair: Hair) -> Tensor:
    """The hairline's height: a fringe pulls it down."""
    fringed = is_any(hair.style, Style.BOWL) | (
        (hair.fringe > 0) & is_any(hair.style, Style.BOB, Style.LONG)
    )
    return hair.line - 0.2 * fringed


def _parted(at: Place, hair: Hair) -> Tensor:
    return at.side - hair.part * ramp(0.2, 0.7, at.y)


def _cap(at: Place, head: Head, hair: Hair) -> Tensor:
    """A shell over the skull, open at the face and cut at the nape.

    The opening is an egg whose top is the hairline.
    """
    _, x, y, z = at
    thick, line = _thickness(hair), _line(hair)
    is_short = is_any(
        hair.style, Style.SHORT, Style.QUIFF, Style.BUZZ, Style.BUN, Style.PONYTAIL, Style.MOHAWK
    )
    d = ellipsoid(
        x, y - 0.17, z + 0.07, head.width + thick, head.height + thick * 1.2, head.depth + thick
    )
    face = ellipsoid(
        _parted(at, hair),
        y + 0.52 - line * 0.5,
        z - 1.0,
        0.72 + 0.10 * is_short,
        1.08 + line * 0.5 + 0.05 * is_short,
        0.98,
    )
    d = smooth_max(d, -face, 0.06)
    nape = torch.where(is_short, 0.32, 0.55)
    return smooth_max(d, 0.1 - nape - y + (z + 0.22).clamp(0, 0.42) * is_short, 0.05)


def _falling(at: Place, head: Head, hair: Hair, cap: Tensor) -> Tensor:
    """Hair that falls to the jaw, the shoulders or below; a headscarf has the same shape."""
    _, x, y, z = at
    thick, line, style = _thickness(hair), _line(hair), hair.style
    length = torch.where(
        is_any(style, Style.BOB), 0.62 + hair.length * 0.3, 0.75 + hair.length * 0.6
    )
    length = torch.where(
        is_any(style, Style.LONG),
        1.25 + hair.length,
        torch.where(is_any(style, Style.SCARF), 1.25, length),
    )
    d = ellipsoid(
        x,
        y + length * 0.35,
        z + 0.22,
        head.width + thick * 1.3 + 0.03,
        0.55 + length * 0.62,
        0.72 + thick,
    )
    face = ellipsoid(
        _parted(at, hair), y + 0.62 - line * 0.5, z - 0.95, 0.68, 1.25 + line * 0.5, 1.12
    )
    d = smooth_max(smooth_max(d, -face, 0.07), -(y + length), 0.08)
    return smooth_min(cap, d, 0.06)


def _bowl(at: Place, head: Head, hair: Hair, cap: Tensor) -> Tensor:
    _, x, y, z = at
    d = ellipsoid(x, y - 0.14, z + 0.05, head.width + 0.12, head.height + 0.11, head.depth + 0.12)
    d = smooth_max(d, 0.08 - hair.length * 0.3 - y, 0.05)
    return smooth_max(d, -ellipsoid(x, y + 0.9, z - 0.9, 0.9, 1.27, 0.6), 0.03)


def _afro(at: Place, head: Head, hair: Hair, cap: Tensor) -> Tensor:
    _, x, y, z = at
    d = sphere(x * 0.98, y - 0.36, z + 0.22, 1.0 + hair.length * 0.35)
    return smooth_max(d, -ellipsoid(x, y + 0.42, z - 0.95, 0.74, 1.1, 0.95), 0.1)


def _quiff(at: Place, head: Head, hair: Hair, cap: Tensor) -> Tensor:
    return smooth_min(
        cap, ellipsoid(at.side - hair.part, at.y - 0.86, at.z - 0.42, 0.5, 0.2, 0.40), 0.12
    )


def _bun(at: Place, head: Head, hair: Hair, cap: Tensor) -> Tensor:
    return smooth_min(cap, sphere(at.x, at.y - 1.10, at.z + 0.35, 0.32), 0.05)


def _ponytail(at: Place, head: Head, hair: Hair, cap: Tensor) -> Tensor:
    return smooth_min(
        cap,
        capsule(at.side, at.y, at.z, (0.0, 0.7, -0.95), (hair.part, -0.9, -1.1), 0.22, 0.10),
        0.1,
    )


def _mohawk(at: Place, head: Head, hair: Hair, cap: Tensor) -> Tensor:
    return ellipsoid(at.x, at.y - 0.5, at.z + 0.1, 0.15, 0.80, 0.94)


def _waves(at: Place, hair: Hair, d: Tensor) -> Tensor:
    """Curls or soft waves, as a displacement."""
    is_curly = is_any(hair.style, Style.CURLY, Style.AFRO)
    smooth = is_any(hair.style, Style.SCARF, Style.BUZZ)
    amplitude = torch.where(is_curly, 0.032, torch.where(smooth, 0.0, 0.012 * hair.wave))
    rate = torch.where(is_curly, 13.0, 9.0)
    side, _, y, z = at
    return (
        d
        - amplitude
        * (rate * side + 3 * (rate * 0.7 * y).sin()).sin()
        * (rate * y).sin()
        * (rate * z + 1.3).sin()
    )


SHAPES = (
    ((Style.BOB, Style.LONG, Style.CURLY, Style.SCARF), _falling),
    ((Style.BOWL,), _bowl),
    ((Style.AFRO,), _afro),
    ((Style.QUIFF,), _quiff),
    ((Style.BUN,), _bun),
    ((Style.PONYTAIL,), _ponytail),
    ((Style.MOHAWK,), _mohawk),
)
"""The styles that add to, or replace, the cap."""
