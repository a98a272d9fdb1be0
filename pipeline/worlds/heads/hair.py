"""Hair and beards: styles as ways in which strands grow, and how strands look."""

from dataclasses import dataclass

import numpy as np

from .accessories import under_hat
from .factors import BeardKind, Hair, HairStyle, HatKind
from .shape import HeadShape
from .skull import MIDDLE, Roots, Skull, beard_roots, scalp_roots, scalpness
from .strands import Field, Strands, children, curled, grow
from .template import template

Array = np.ndarray
S = HairStyle


@dataclass(frozen=True)
class Style:
    """Numbers of a style; lengths in decimetres."""

    count: int
    points: int
    length: tuple[float, float]
    lift: float
    gravity: float
    stiffness: float
    clearance: tuple[float, float]
    width: float
    lock: float
    """How far a lock's strands gather, in [0, 1]."""
    locks: int


STYLES = {
    S.RING: Style(2200, 5, (0.15, 0.4), 0.1, 0.6, 0.3, (0.01, 0.06), 0.007, 0.3, 260),
    S.BUZZ: Style(8000, 3, (0.05, 0.12), 0.6, 0.1, 0.4, (0.0, 0.02), 0.006, 0.0, 250),
    S.SHORT: Style(5500, 6, (0.3, 0.55), 0.3, 0.3, 0.4, (0.02, 0.13), 0.007, 0.5, 650),
    S.SIDE: Style(5500, 8, (0.5, 0.9), 0.45, 0.2, 0.45, (0.03, 0.19), 0.007, 0.45, 600),
    S.CURLY_SHORT: Style(5500, 11, (0.35, 0.65), 0.8, 0.1, 0.5, (0.08, 0.28), 0.008, 0.3, 800),
    S.AFRO: Style(7500, 9, (0.35, 0.85), 2.0, 0.0, 0.85, (0.0, 0.0), 0.010, 0.15, 900),
    S.BOB: Style(4200, 12, (1.5, 2.0), 0.25, 1.6, 0.4, (0.03, 0.18), 0.008, 0.4, 420),
    S.LONG: Style(4200, 14, (2.4, 3.6), 0.25, 1.6, 0.4, (0.03, 0.20), 0.009, 0.4, 380),
    S.LONG_CURLY: Style(3400, 20, (2.2, 3.4), 0.4, 1.3, 0.45, (0.06, 0.34), 0.010, 0.45, 260),
    S.FRINGE: Style(5200, 12, (1.5, 3.0), 0.25, 1.6, 0.4, (0.03, 0.18), 0.008, 0.22, 620),
    S.PONYTAIL: Style(4000, 10, (1.6, 2.1), 0.05, 0.0, 0.25, (0.02, 0.10), 0.008, 0.3, 420),
    S.BUN: Style(4000, 10, (1.6, 2.1), 0.05, 0.0, 0.25, (0.02, 0.09), 0.008, 0.3, 420),
    S.BRAIDS: Style(3800, 10, (1.4, 1.9), 0.05, 0.0, 0.25, (0.02, 0.08), 0.008, 0.3, 420),
}  # fmt: skip
PARTED = (S.BOB, S.LONG, S.LONG_CURLY, S.FRINGE)
TIED = {S.PONYTAIL: (0.0, 0.55, -1.12), S.BUN: (0.0, 0.75, -0.95), S.BRAIDS: (0.45, -0.45, -0.7)}
"""Where hair is tied, decimetres from the skull's middle (braids: on both sides)."""


def hair_strands(
    shape: HeadShape, skull: Skull, normals: Array, hair: Hair, hat: HatKind
) -> list[Strands]:
    """The hair on the head and in the face.

    Args:
        shape: the head.
        skull: its distances.
        normals: of the template's vertices, in the world.
        hair: the factors.
        hat: what is worn on it.
    """
    random = np.random.default_rng(hair.seed)
    groups = []
    if hair.style in STYLES:
        groups += _scalp(shape, skull, normals, hair, hat, random)
    if hair.beard != BeardKind.NONE:
        groups.append(_beard(shape, skull, normals, hair, random))
    return groups


def scalp_cover(rest: Array, hair: Hair) -> Array:
    """How much of the skin at places on the template hair hides, in [0, 1]."""
    if hair.style == S.BALD:
        return np.zeros(len(rest), np.float32)
    above = scalpness(rest, hair.hairline)
    cover = np.clip(above / (0.10 if hair.style == S.BUZZ else 0.14), 0, 1) ** 1.3
    if hair.style == S.RING:
        cover = cover * _ring(rest)
    return (cover * (0.75 if hair.style == S.BUZZ else 0.92) * hair.density).astype(np.float32)


def _ring(rest: Array) -> Array:
    """1 on the sides and the nape of a bald head."""
    azimuth = np.abs(np.arctan2(rest[:, 0], rest[:, 2] - MIDDLE[2]))
    top = np.interp(azimuth, [1.1, 1.5, 3.15], [7.55, 7.72, 7.8])
    return np.clip((top - rest[:, 1]) / 0.12, 0, 1) * np.clip((azimuth - 1.1) / 0.2, 0, 1)


def _scalp(
    shape: HeadShape,
    skull: Skull,
    normals: Array,
    hair: Hair,
    hat: HatKind,
    random: np.random.Generator,
) -> list[Strands]:
    style = STYLES[hair.style]
    roots = _growing(hair, style, random)
    guides = roots[: style.locks]
    place, normal = skull.to_local(guides.on(shape.vertices)), guides.on(normals)
    low, high = style.length
    length = np.full(len(guides), low + (high - low) * hair.length)
    if hair.style == S.FRINGE:
        fringe = _is_front(place) & (np.abs(place[:, 0]) < 0.62)
        length = np.where(fringe, random.uniform(0.50, 0.62, len(guides)), length)
    volume = 0.55 + 0.9 * hair.volume
    clear = style.clearance[0] + (style.clearance[1] - style.clearance[0]) * volume * (
        random.random(len(guides)) ** 0.7
    )
    strands = grow(
        skull, place, normal, _comb(hair, place), length, points=style.points,
        lift=style.lift * volume, gravity=style.gravity, stiffness=style.stiffness,
        clearance=clear, cling=0.0 if hair.style == S.AFRO else 1.2,
    )  # fmt: skip
    strands = _curls(strands, hair, style, random)
    lengths = random.uniform(0.66, 1.04, len(roots))
    if hair.style == S.FRINGE:  # cut along a line
        lengths = np.where(
            _is_front(skull.to_local(roots.on(shape.vertices))), 0.94 + 0.1 * lengths, lengths
        )
    strands = children(
        strands, skull.to_local(roots.on(shape.vertices)), lengths, style.lock, random
    )
    strands = under_hat(strands, skull, hat)
    groups = [_colored(strands, hair, skull, style.width, random)]
    if hair.style in TIED:
        groups += _tail(skull, hair, random)
    return groups


def _growing(hair: Hair, style: Style, random: np.random.Generator) -> Roots:
    roots = scalp_roots()
    above = scalpness(roots.rest, hair.hairline) + random.normal(0, 0.02, len(roots))
    grows = above > 0
    if hair.style == S.RING:
        grows &= _ring(roots.rest) > random.random(len(roots))
    grows &= random.random(len(roots)) < hair.density * np.clip(0.3 + above / 0.12, 0.3, 1)
    return roots[np.flatnonzero(grows)[: style.count]]


def _is_front(place: Array) -> Array:
    return (place[:, 2] > 0.35) & (place[:, 1] > 0.35)


def _comb(hair: Hair, roots: Array) -> Field:
    """The directions of a style, of places in decimetres from the skull's middle."""
    if hair.style == S.AFRO:
        return lambda place, share: place / np.linalg.norm(place, axis=1, keepdims=True)
    if hair.style in TIED:
        return _tied(hair)
    if hair.style in PARTED:
        return _parted(hair, roots)
    if hair.style == S.SIDE:
        return _side(hair)
    whorl = np.array([0.1 * hair.parting, 0.95, -0.55], np.float32)
    return lambda place, share: _tangent(place, place - whorl) + np.array([0, -0.15, 0])


def _side(hair: Hair) -> Field:
    """A parting on one side; the top goes to the other one and back."""
    side = 1.0 if hair.parting > 0 else -1.0
    line = -side * 0.38

    def comb(place: Array, share: float) -> Array:
        over = np.tanh((place[:, 0] - line) * side * 8)
        top = np.clip((place[:, 1] - 0.35) / 0.4, 0, 1)
        back = -0.55 * np.ones(len(place))
        across = np.stack([over * side, 0.1 * np.ones(len(place)), back], 1)
        down = np.stack([0.0 * over, -np.ones(len(place)), -0.35 * np.ones(len(place))], 1)
        return _tangent(place, across * top[:, None] + down * (1 - top[:, None])).astype("f4")

    return comb


def _parted(hair: Hair, roots: Array) -> Field:
    """From a parting to both sides, around the face and down; a fringe falls forward."""
    line = 0.28 * hair.parting if abs(hair.parting) > 0.35 else 0.0
    side = np.where(roots[:, 0] > line, 1.0, -1.0)
    fringe = (
        _is_front(roots) & (np.abs(roots[:, 0]) < 0.62)
        if hair.style == S.FRINGE
        else np.zeros(len(roots), bool)
    )

    def comb(place: Array, share: float) -> Array:
        top = np.clip((place[:, 1] - 0.1) / 0.6, 0, 1)
        face = np.clip((place[:, 2] - 0.25) / 0.5, 0, 1) * (place[:, 1] < 0.75)
        narrow = np.clip(1.0 - np.abs(place[:, 0]) / 0.85, 0, 1)
        across = side * (0.25 + 0.9 * top + 2.2 * face * narrow)
        back = -0.30 * top - 1.1 * face
        down = -0.25 - 1.0 * (1 - top)
        want = np.stack([across, down, back], 1)
        forward = np.stack([0.12 * place[:, 0], -0.55 + 0 * side, 0.9 - 0.6 * share + 0 * side], 1)
        want = np.where(fringe[:, None], forward, want)
        return _tangent(place, want, 0.6).astype("f4")

    return comb


def _tied(hair: Hair) -> Field:
    tie = np.array(TIED[hair.style], np.float32)

    def comb(place: Array, share: float) -> Array:
        goal = np.repeat(tie[None], len(place), 0)
        if hair.style == S.BRAIDS:
            goal[:, 0] = np.where(place[:, 0] > 0, tie[0], -tie[0])
        way = goal - place
        near = np.linalg.norm(way, axis=1, keepdims=True)
        return _tangent(place, way / (near + 1e-6), 0.85) * np.minimum(1, near * 4)

    return comb


def _tangent(place: Array, want: Array, share: float = 0.9) -> Array:
    """Without (most of) what points into or out of the head."""
    outward = place / (np.linalg.norm(place, axis=1, keepdims=True) + 1e-6)
    want = want - share * (want * outward).sum(1, keepdims=True) * outward
    return (want / (np.linalg.norm(want, axis=1, keepdims=True) + 1e-6)).astype(np.float32)


def _curls(strands: Array, hair: Hair, style: Style, random: np.random.Generator) -> Array:
    length = (style.length[0] + style.length[1]) / 2
    if hair.style in (S.AFRO, S.CURLY_SHORT):
        # six points draw a turn: fewer make zigzags
        tight = 0.035 + 0.03 * hair.wave
        return curled(strands, tight, min(length * 3.2, style.points / 6), random)
    if hair.style == S.LONG_CURLY:
        return curled(strands, 0.07 + 0.07 * hair.wave, length * 0.85, random)
    if hair.style in (S.BUZZ, S.RING) or hair.style in TIED:
        return strands
    size = 0.012 + 0.05 * hair.wave**2 + 0.05 * hair.curl
    return curled(strands, size * min(1.0, length), length * 0.9, random)


def _tail(skull: Skull, hair: Hair, random: np.random.Generator) -> list[Strands]:
    tie = np.array(TIED[hair.style], np.float32)
    out = tie / np.linalg.norm(tie)
    tie = out * (skull.radius(out[None])[0] + 0.1)
    if hair.style == S.BUN:
        return [_colored(_bun(tie, 0.24 + 0.14 * hair.volume, random), hair, skull, 0.012, random)]
    sides = (1, -1) if hair.style == S.BRAIDS else (1,)
    groups = []
    for side in sides:
        start = tie * [side, 1, 1]
        strands = (
            _braid(start, 1.6 + hair.length, random)
            if hair.style == S.BRAIDS
            else _hanging(start, out, 1.4 + 1.4 * hair.length, random)
        )
        if hair.style == S.PONYTAIL:
            strands = curled(strands, 0.03 + 0.05 * hair.wave, 2.0, random)
        groups.append(_colored(strands, hair, skull, 0.012, random))
    return groups


def _bun(center: Array, size: float, random: np.random.Generator, count: int = 500) -> Array:
    """Great circles of a ball."""
    axis = random.normal(0, 1, (count, 3)) * [0.5, 0.5, 1.0] + [0, 0.4, 0.8]
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    side = np.cross(axis, random.normal(0, 1, (count, 3)))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    angle = np.linspace(0, 2.4, 10)[None, :, None]
    circle = side[:, None] * np.cos(angle) + np.cross(axis, side)[:, None] * np.sin(angle)
    middle = center * (1 + 0.55 * size / np.linalg.norm(center))
    radius = size * random.uniform(0.85, 1.0, (count, 1, 1))
    return (middle + circle * radius).astype(np.float32)


def _hanging(
    start: Array, outward: Array, length: float, random: np.random.Generator, count: int = 700
) -> Array:
    """A tail that leaves the head and falls."""
    t = np.linspace(0, 1, 14)[None, :, None]
    bend = outward * (0.35 * np.minimum(1, t * 3)) + np.array([0, -1, 0]) * length * t**1.25
    spread = random.normal(0, 1, (count, 1, 3)) * [0.10, 0.05, 0.10]
    wide = 0.45 + 1.1 * np.sin(np.pi * np.minimum(t * 0.75, 1)) - 0.3 * t
    return (start + bend + spread * wide).astype(np.float32)


def _braid(start: Array, length: float, random: np.random.Generator, count: int = 220) -> Array:
    """Three locks that cross each other on the way down."""
    t = np.linspace(0, 1, 26)[None, :]
    found = []
    for lock in range(3):
        phase = 2 * np.pi * (t * length * 1.3 + lock / 3)
        x, z = 0.075 * np.sin(phase), 0.045 * np.sin(2 * phase)
        path = np.stack([x, -length * t, z - 0.05 * t], -1)
        spread = random.normal(0, 1, (count, 1, 3)) * 0.03
        found.append(start + np.array([0.03 * np.sign(start[0]), 0, 0.1]) + path + spread)
    return np.concatenate(found).astype(np.float32)


def _colored(
    strands: Array, hair: Hair, skull: Skull, width: float, random: np.random.Generator
) -> Strands:
    count, points = strands.shape[:2]
    bright = np.exp(random.normal(0, 0.20, (count, 1, 1))).astype(np.float32)
    warm = 1 + random.normal(0, 0.05, (count, 1, 1)) * np.array([1.0, 0.0, -1.0])
    warm = warm.astype(np.float32)
    along = np.linspace(0, 1, points, dtype=np.float32)[None, :, None]
    color = hair.color * bright * warm * (0.6 + 0.5 * along)
    is_grey = (random.random((count, 1, 1)) < 0.5 * hair.grey) & (random.random() < 0.9)
    color = np.where(is_grey, 0.5 * color + np.array([0.13, 0.13, 0.13]) * bright, color)
    taper = width * (1 - 0.45 * along[..., 0] ** 3) * np.exp(random.normal(0, 0.15, (count, 1)))
    return Strands(
        skull.to_world(strands),
        np.clip(color, 0.002, 1).astype(np.float32),
        (taper * skull.scale).astype(np.float32),
    )


def beard_cover(rest: Array, kind: BeardKind) -> Array:
    """Where a beard grows, in [0, 1], of places on the template."""
    x, y, z = np.abs(rest[:, 0]), rest[:, 1], rest[:, 2]
    moustache = _soft(0.33 - x, 0.06) * _soft(y - 6.68, 0.02) * _soft(6.84 - y, 0.03)
    moustache *= _soft(z - 1.25, 0.05)
    goatee = _soft(0.24 - x, 0.08) * _soft(6.50 - y, 0.04) * _soft(y - 6.08, 0.05)
    goatee *= _soft(z - 1.1, 0.08)
    goatee = np.maximum(goatee, _soft(0.05 - np.abs(x - 0.30), 0.03) * _soft(6.7 - y, 0.1)
                        * _soft(y - 6.35, 0.1) * _soft(z - 1.1, 0.08))  # fmt: skip
    if kind == BeardKind.MOUSTACHE:
        return moustache
    if kind == BeardKind.GOATEE:
        return np.maximum(moustache, goatee)
    edge = np.interp(x, [0.0, 0.24, 0.34, 0.5, 0.66, 0.75], [6.50, 6.54, 6.72, 6.82, 7.05, 7.45])
    jaw = _soft(edge - y, 0.05) * _soft(y - (5.98 + 0.3 * x), 0.08) * _soft(z - 0.42, 0.05)
    return np.maximum(moustache, jaw)


def _soft(value: Array, width: float) -> Array:
    return np.clip(0.5 + value / (2 * width), 0, 1)


def _beard(
    shape: HeadShape, skull: Skull, normals: Array, hair: Hair, random: np.random.Generator
) -> Strands:
    roots = beard_roots()
    lips = roots.on(template().lips[:, None])[:, 0]
    grows = beard_cover(roots.rest, hair.beard) * (lips < 0.25) > random.random(len(roots))
    roots = roots[np.flatnonzero(grows)]
    place, normal = skull.to_local(roots.on(shape.vertices)), roots.on(normals)
    length = (0.07 + 0.45 * hair.beard_length**2) * random.uniform(0.6, 1.1, len(roots))
    upper = roots.rest[:, 1] > 6.66
    length = np.where(upper & (np.abs(roots.rest[:, 0]) < 0.4), np.minimum(length, 0.17), length)
    side = np.sign(place[:, 0])
    way = np.stack([side * np.where(upper, 0.6, 0.1), -np.ones(len(roots)),
                    0.25 * np.ones(len(roots))], 1)  # fmt: skip
    t = np.linspace(0, 1, 5)[None, :, None]
    strands = (
        place[:, None]
        + (normal[:, None] * (0.55 * t - 0.15 * t**2) + way[:, None] * (0.65 * t**1.4))
        * length[:, None, None]
    )
    strands = curled(
        strands.astype(np.float32), 0.012 + 0.03 * hair.curl * hair.beard_length, 1.2, random
    )
    return _colored(strands, hair, skull, 0.006, random)


def strand_color(
    color: Array, tangent: Array, view: Array, normal: Array, toward: Array, power: Array,
    lit: Array, around: Array,
) -> Array:  # fmt: skip
    """Linear colour `[sample 3]` of hair: Kajiya and Kay's diffuse term and two highlights, one
    white, one of the hair's colour, shifted along the strand (Marschner et al. 2003).

    Args:
        color: of the strands.
        tangent, view, normal: unit; the normal is the hairdo's.
        toward: the direction to the key light `[3]`.
        power: its irradiance `[3]`.
        lit: share of it that arrives.
        around: irradiance of the environment.
    """
    along_light = tangent @ toward
    along_view = (tangent * view).sum(1)
    sine = np.sqrt(np.clip(1 - along_light**2, 0, 1))
    facing = np.clip(0.35 + 0.65 * (normal @ toward), 0, 1)
    diffuse = color * (around + power * (sine * facing * lit)[:, None]) / np.pi
    light_angle, view_angle = (
        np.arcsin(np.clip(along_light, -1, 1)),
        np.arcsin(np.clip(along_view, -1, 1)),
    )
    half = (light_angle + view_angle) / 2
    first = np.exp(-(((half + 0.07) / 0.10) ** 2))
    second = np.exp(-(((half - 0.14) / 0.20) ** 2))
    strength = (lit * facing)[:, None] * power
    gloss = strength * (0.022 * first[:, None] + 0.30 * second[:, None] * color)
    return diffuse + gloss + 0.012 * around * np.clip(1 - along_view**2, 0, 1)[:, None]
