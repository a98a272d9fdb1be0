"""Albedo: the colour of every surface point, without light.

Its operators are recorded for kernels, hence plain annotations.
"""

import torch
from torch import Tensor

from .accessories import beard_cover, hat_line
from .anatomy import Place, Points, lid_edges, lips, mouth_y, to_head
from .body import Part, nearest_part
from .factors import BeardKind, HairStyle, HatKind, PaintKind, PatternKind, Puppet
from .hair import is_any
from .presence import Presence
from .sdf import ramp


def appearance(points: Points, puppet: Puppet, presence: Presence) -> tuple[Tensor, Tensor]:
    """Albedo in [0, 1] `[identity point 3]` and part numbers `[identity point]` on the surface."""
    at = to_head(points, puppet.identity.head)
    part = nearest_part(at, puppet, presence)
    albedo = skin(at, puppet)
    for label, color in COLORS.items():
        if label is not Part.SKIN:
            albedo = torch.where((part == label.value)[..., None], color(at, puppet), albedo)
    return albedo.clamp(0, 1), part


def skin(at: Place, puppet: Puppet) -> Tensor:
    """Skin and what is painted onto it: blush, freckles, wrinkles, make-up, brows, lips, beard."""
    color = _complexion(at, puppet)
    color = _paint(at, puppet, color)
    color = _brows_and_lashes(at, puppet, color)
    color = _lips(at, puppet, color)
    identity = puppet.identity
    cover = beard_cover(
        at, identity.face, identity.hair, mouth_y(at, identity.face, puppet.expression)
    ) * (identity.hair.beard > 0)
    strength = torch.where(is_any(identity.hair.beard, BeardKind.STUBBLE), 0.32, 0.93) * (
        0.85 + 0.15 * _mottle(at, 30.0)
    )
    return _mix(color, identity.hair.color * 0.62, cover * strength)


def _complexion(at: Place, puppet: Puppet) -> Tensor:
    _, x, y, z = at
    skin, face = puppet.identity.skin, puppet.identity.face
    front = ramp(0.2, 0.4, z)
    color = skin.tone * (1 + 0.03 * _mottle(at, 5.0)[..., None])
    blush = _bump((x - 0.42) / 0.2, (y + 0.2) / 0.16) * front
    color = _mix(color, skin.tone * _color(1.06, 0.74, 0.72, color), skin.blush * blush)
    nose = _bump(x / 0.16, (y - face.nose_y) / 0.12) * front
    color = _mix(color, skin.tone * _color(1.0, 0.82, 0.80, color), 0.35 * nose)
    spots = ramp(0.25, 0.5, _mottle(at, 26.0)) * _bump(x / 0.5, (y + 0.12) / 0.2) * front
    color = _mix(color, skin.tone * 0.66, skin.freckles * spots)
    forehead = (
        _bump((26 * y).sin() - 0.95, 0 * y, 0.12) * ramp(0.35, 0.45, y) * ramp(0.5, 0.3, x) * front
    )
    color = _mix(color, skin.tone * 0.75, ((skin.age - 0.65).clamp(min=0) * forehead).clamp(0, 1))
    shadow = _bump((x - face.eye_x) / 0.19, (y - face.eye_y - 0.085) / 0.075) * front
    return _mix(color, skin.eyeshadow_color, skin.eyeshadow * shadow)


def _paint(at: Place, puppet: Puppet, color: Tensor) -> Tensor:
    side, x, y, z = at
    skin, face = puppet.identity.skin, puppet.identity.face
    kind, front = skin.paint, z > 0.2
    stripes = ((y + 0.12).abs() < 0.12) & ((y * 40).sin() > 0) & (x > 0.2) & front
    half = (side > 0) & (z > -0.1) & (y > -1.0)
    band = ((y - face.eye_y).abs() < 0.17) & front
    clown = (
        (x * x + (y - face.nose_y) ** 2 < 0.025) | ((x - 0.45) ** 2 + (y + 0.25) ** 2 < 0.02)
    ) & front
    painted = (
        (is_any(kind, PaintKind.STRIPES) & stripes)
        | (is_any(kind, PaintKind.HALF) & half)
        | (is_any(kind, PaintKind.BAND) & band)
        | (is_any(kind, PaintKind.CLOWN) & clown)
    )
    return _mix(color, skin.paint_color, painted * 0.85)


def _brows_and_lashes(at: Place, puppet: Puppet, color: Tensor) -> Tensor:
    _, x, y, z = at
    identity, face, expression = puppet.identity, puppet.identity.face, puppet.expression
    along = (x - 0.13) / 0.34
    slope = face.brow_slope + expression.brow_tilt
    across = (
        y
        - face.brow_y
        - expression.brow_lift
        - slope * (along - 0.4) * 2 * 0.36
        + 0.20 * (along - 0.45) ** 2
    )
    thin = across.abs() * (1 + 0.8 * along.clamp(0, 1) ** 2)
    brow = ramp(face.brow_thickness * 1.25, face.brow_thickness * 0.6, thin) * (z > 0.25)
    brow = brow * ramp(-0.06, 0.04, along) * ramp(1.06, 0.92, along)
    color = _mix(color, identity.hair.color * 0.55, 0.88 * brow)
    upper, _ = lid_edges(at, face, expression)
    ex, ey, ez = x - face.eye_x, y - face.eye_y, z - 0.66
    near = (
        (ex.abs() < face.eye_radius * 1.1)
        & (ex * ex + ey * ey + ez * ez < (face.eye_radius * 1.25) ** 2)
        & (z > 0.4)
    )
    lash = ramp(0.034, 0.008, upper.abs()) * near
    return _mix(color, _color(0.07, 0.05, 0.05, color), (0.45 + 0.45 * identity.skin.lashes) * lash)


def _lips(at: Place, puppet: Puppet, color: Tensor) -> Tensor:
    identity, face, expression = puppet.identity, puppet.identity.face, puppet.expression
    cover = ramp(0.016, -0.002, lips(at, face, expression)) * (at.z > 0.4)
    color = _mix(color, identity.skin.lip, 0.9 * cover)
    line = _bump(mouth_y(at, face, expression) / 0.016, 0 * at.x) * (at.z > 0.4)
    line = line * ramp(face.mouth_width * 1.02, face.mouth_width * 0.85, at.x)
    return _mix(color, identity.skin.lip * 0.35, 0.75 * line * (expression.opening < 0.012))


def inner_mouth(at: Place, puppet: Puppet) -> Tensor:
    """Upper teeth above a dark red mouth."""
    above = mouth_y(at, puppet.identity.face, puppet.expression)
    opening = puppet.expression.opening
    teeth = ramp(-1.15, -0.95, above / opening.clamp(min=0.012)) * (
        0.94 + 0.06 * ramp(-0.9, -0.5, (at.side * 55).sin())
    )
    dark = _color(0.28, 0.09, 0.09, teeth[..., None].expand(*teeth.shape, 3))
    return _mix(dark.expand(*teeth.shape, 3), _color(0.95, 0.93, 0.90, dark), teeth)


def eye(at: Place, puppet: Puppet) -> Tensor:
    """White, iris with a darker rim, pupil, and a painted catchlight."""
    identity, face, expression = puppet.identity, puppet.identity.face, puppet.expression
    sign = torch.where(at.side > 0, 1.0, -1.0)
    ix = (
        at.x - face.eye_x - 0.015 - sign * expression.gaze_x * face.eye_radius * 2
    ) / face.eye_radius
    iy = (at.y - face.eye_y - 0.004 - expression.gaze_y * face.eye_radius * 2) / face.eye_radius
    r = (ix * ix + iy * iy + 1e-9).sqrt()
    white = _color(0.93, 0.92, 0.90, r[..., None].expand(*r.shape, 3)).expand(*r.shape, 3)
    color = _mix(white, identity.skin.tone * 0.7 + 0.1, 0.4 * ramp(0.75, 1.05, r))
    color = _mix(color, identity.skin.iris * (0.7 + 0.8 * r[..., None]), ramp(0.62, 0.55, r))
    color = _mix(color, color * 0.35, ramp(0.47, 0.56, r) * ramp(0.66, 0.58, r))
    color = _mix(color, _color(0.02, 0.02, 0.02, color), ramp(0.31, 0.25, r))
    glint = ((ix - 0.27 * sign) ** 2 + (iy - 0.3) ** 2 + 1e-9).sqrt()
    return _mix(color, _color(1.0, 1.0, 1.0, color), ramp(0.21, 0.13, glint))


def hair(at: Place, puppet: Puppet) -> Tensor:
    """Strands; a headscarf has the hat's colour instead."""
    side, _, y, z = at
    identity = puppet.identity
    angle = torch.atan2(side, z + 0.1)
    strands = 0.4 * (angle * 31 + 4 * (3 * y).sin() + 6 * identity.hair.part).sin()
    strands = (
        strands
        + 0.35 * (angle * 67 + 9 * y + 2 * (5 * angle).sin()).sin()
        + 0.3 * (angle * 11 + 2 * y).sin()
    )
    color = identity.hair.color * (1 + 0.16 * strands - 0.3 * ramp(0.3, 1.1, -y))[..., None]
    cloth = identity.outfit.hat_color * (1 + 0.08 * (18 * y + 6 * side).sin())[..., None]
    return torch.where(is_any(identity.hair.style, HairStyle.SCARF)[..., None], cloth, color)


def clothes(at: Place, puppet: Puppet) -> Tensor:
    """Plain, striped or dotted."""
    outfit, (side, _, y, z) = puppet.identity.outfit, at
    stripes = is_any(outfit.pattern, PatternKind.STRIPES) & ((14 * y).sin() > 0.2)
    dots = is_any(outfit.pattern, PatternKind.DOTS) & (
        (14 * side).sin() * (14 * (y + z)).sin() > 0.45
    )
    return _mix(outfit.cloth.expand(*y.shape, 3), outfit.trim, (stripes | dots) * 1.0)


def hat(at: Place, puppet: Puppet) -> Tensor:
    """A knitted beanie, a fedora's ribbon, else plain."""
    outfit, (side, _, _, z) = puppet.identity.outfit, at
    ribs = 0.06 * (40 * torch.atan2(side, z + 0.1)).sin() * is_any(outfit.hat, HatKind.BEANIE)
    ribbon = is_any(outfit.hat, HatKind.FEDORA) & ((hat_line(at) - 0.13).abs() < 0.08)
    return _mix(outfit.hat_color * (1 + ribs)[..., None], outfit.trim, ribbon * 1.0)


def _metal(at: Place, puppet: Puppet) -> Tensor:
    return puppet.identity.outfit.glasses_color


def _gold(at: Place, puppet: Puppet) -> Tensor:
    color = puppet.identity.outfit.glasses_color
    return color * 0.3 + _color(0.6, 0.5, 0.28, color)


def _dark_glass(at: Place, puppet: Puppet) -> Tensor:
    return _color(0.06, 0.06, 0.07, at.x)


COLORS = {
    Part.SKIN: skin,
    Part.EYE: eye,
    Part.MOUTH: inner_mouth,
    Part.HAIR: hair,
    Part.CLOTHES: clothes,
    Part.HAT: hat,
    Part.GLASSES: _metal,
    Part.JEWEL: _gold,
    Part.LENS: _dark_glass,
}
"""The colour `[identity point 3]`, or what broadcasts to it, of each part."""


def _mix(base: Tensor, over: Tensor, share: Tensor) -> Tensor:
    return base + (over - base) * share[..., None]


def _color(red: float, green: float, blue: float, like: Tensor) -> Tensor:
    return torch.tensor([red, green, blue], dtype=like.dtype, device=like.device)


def _bump(a: Tensor, b: Tensor, width: float = 1.0) -> Tensor:
    return torch.exp(-(a * a + b * b) / (width * width))


def _mottle(at: Place, rate: float) -> Tensor:
    """A smooth pattern in [-1, 1] with features of about 1/rate head units."""
    side, _, y, z = at
    first = (rate * side + 2 * (rate * 0.8 * y).sin()).sin()
    return first * (rate * 1.1 * y + 1.7 * (rate * 0.6 * z).sin()).sin() * (rate * 0.9 * z).sin()
