"""Hair and beards: styles as ways in which strands grow, and how strands look."""

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from .accessories import under_hat
from .beards import beard_cover, beard_strands
from .combing import TIED, comb, is_fringe
from .factors import BeardKind, Hair, HairStyle, HatKind
from .locks import Dye, Lock, Planted, strands_beside
from .shape import HeadShape
from .skull import MIDDLE, ROOTS, Roots, Skull, guides_of, scalp_roots, scalpness
from .strands import Strands, grow
from .tails import tails
from .vectors import dots

Array = np.ndarray
S = HairStyle
__all__ = ["beard_cover", "hair_strands", "scalp_cover", "strand_color"]


@dataclass(frozen=True)
class Style:
    """Numbers of a style; lengths in decimetres.

    Attributes:
        count: of strands on the whole scalp, at full detail.
        sites: of its places on the scalp, how many may have guides.
        points: of a strand.
        length: the shortest and the longest.
        lift, gravity, stiffness, clearance: see `strands.grow`.
        lock: how strands differ from guides.
        volume: how much `Hair.volume` matters.
    """

    count: int
    sites: int
    points: int
    length: tuple[float, float]
    lift: float
    gravity: float
    stiffness: float
    clearance: tuple[float, float]
    lock: Lock


STYLES = {
    S.RING: Style(11000, 500, 5, (0.15, 0.45), 0.1, 0.6, 0.3, (0.01, 0.06),
                  Lock(0.0030, 0.3, 0.45, 0.05, 0.5, 0.03)),
    S.BUZZ: Style(15000, 800, 3, (0.04, 0.12), 0.6, 0.1, 0.4, (0.0, 0.02),
                  Lock(0.0034, 0.0, 0.2, 0.05, 0.4, 0.02)),
    S.SHORT: Style(12000, 800, 6, (0.28, 0.55), 0.35, 0.25, 0.4, (0.02, 0.13),
                   Lock(0.0032, 0.25, 0.5, 0.06, 0.55, 0.04)),
    S.SIDE: Style(11000, 800, 8, (0.5, 0.9), 0.45, 0.2, 0.45, (0.03, 0.19),
                  Lock(0.0032, 0.2, 0.45, 0.07, 0.45, 0.05)),
    S.CURLY_SHORT: Style(10000, 900, 11, (0.35, 0.65), 0.9, 0.1, 0.5, (0.06, 0.30),
                         Lock(0.0034, 0.2, 0.4, 0.08, 0.4, 0.06, 0.03, 4.0, 0.5, 0.015)),
    S.AFRO: Style(12000, 900, 9, (0.35, 0.85), 2.0, 0.0, 0.85, (0.0, 0.0),
                  Lock(0.0042, 0.0, 0.2, 0.06, 0.22, 0.05, 0.05, 2.6, 1.0, 0.03, 0.8)),
    S.BOB: Style(8000, 520, 12, (1.5, 2.0), 0.25, 1.6, 0.4, (0.03, 0.18),
                 Lock(0.0036, 0.15, 0.45, 0.06, 0.12, 0.05)),
    S.LONG: Style(7500, 480, 13, (2.4, 3.6), 0.25, 1.6, 0.4, (0.03, 0.20),
                  Lock(0.0038, 0.25, 0.45, 0.07, 0.25, 0.08)),
    S.LONG_CURLY: Style(6500, 420, 20, (2.2, 3.4), 0.4, 1.3, 0.45, (0.06, 0.34),
                        Lock(0.0040, 0.15, 0.55, 0.07, 0.25, 0.09, 0.06, 1.1, 0.3, 0.02)),
    S.FRINGE: Style(8500, 560, 12, (1.5, 3.0), 0.25, 1.6, 0.4, (0.03, 0.18),
                    Lock(0.0036, 0.15, 0.4, 0.06, 0.15, 0.04)),
    S.PONYTAIL: Style(8500, 520, 10, (1.6, 2.1), 0.05, 0.0, 0.25, (0.02, 0.10),
                      Lock(0.0034, 0.2, 0.4, 0.05, 0.05, 0.02)),
    S.BUN: Style(8500, 520, 10, (1.6, 2.1), 0.05, 0.0, 0.25, (0.02, 0.09),
                 Lock(0.0034, 0.2, 0.4, 0.05, 0.05, 0.02)),
    S.BRAIDS: Style(8500, 520, 10, (1.4, 1.9), 0.05, 0.0, 0.25, (0.02, 0.08),
                    Lock(0.0034, 0.2, 0.4, 0.05, 0.05, 0.02)),
}  # fmt: skip


def hair_strands(
    shape: HeadShape,
    skull: Skull,
    normals: Array,
    hair: Hair,
    hat: HatKind,
    detail: float = 1.0,
) -> list[Strands]:
    """The hair on the head and in the face.

    Args:
        shape: the head.
        skull: its distances.
        normals: of the template's vertices, in the world.
        hair: the factors.
        hat: what is worn on it.
        detail: share of the strands, in (0, 1]; fewer are as much wider and differ less, as
            pictures see them that show several in a pixel.
    """
    dye = Dye(hair.color, hair.silver, hair.grey, detail**0.5)
    groups = []
    if hair.style in STYLES:
        groups.append(_scalp(shape, skull, normals, hair, hat, dye, detail))
    if hair.style in TIED:
        groups += tails(skull, hair, dye, detail)
    if hair.beard != BeardKind.NONE:
        groups.append(beard_strands(shape, skull, normals, hair, dye, detail))
    return groups


def scalp_cover(rest: Array, hair: Hair) -> Array:
    """How much of the skin at places on the template hair hides, in [0, 1]."""
    if hair.style == S.BALD:
        return np.zeros(len(rest), np.float32)
    above = scalpness(rest, hair.hairline, hair.seed)
    cover = _smooth((above + 0.03) / (0.14 if hair.style == S.BUZZ else 0.20))
    if hair.style == S.RING:
        cover = cover * _ring(rest)
    return (cover * (0.72 if hair.style == S.BUZZ else 0.9) * hair.density).astype(np.float32)


def _smooth(value: Array) -> Array:
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def _ring(rest: Array) -> Array:
    """1 on the sides and the nape of a bald head."""
    azimuth = np.abs(np.arctan2(rest[:, 0], rest[:, 2] - MIDDLE[2]))
    top = np.interp(azimuth, [1.1, 1.5, 3.15], [7.55, 7.72, 7.8])
    return np.clip((top - rest[:, 1]) / 0.16, 0, 1) * np.clip((azimuth - 1.1) / 0.2, 0, 1)


def _scalp(
    shape: HeadShape,
    skull: Skull,
    normals: Array,
    hair: Hair,
    hat: HatKind,
    dye: Dye,
    detail: float,
) -> Strands:
    style, random = STYLES[hair.style], np.random.default_rng(hair.seed)
    luck, rank = random.random((2, ROOTS))
    every = scalp_roots()[: max(style.sites, ceil(style.count * detail))]
    luck = luck[: len(every)]
    above = scalpness(every.rest, hair.hairline, hair.seed)
    grows = hair.density * _smooth((above + 0.03) / 0.13) > luck
    if hair.style == S.RING:
        grows &= _ring(every.rest) > random.random(ROOTS)[: len(every)]
    guides = every[np.flatnonzero(grows & (every.numbers < style.sites) & (above > 0.0))]
    roots = every[np.flatnonzero(grows & (every.numbers < style.count * detail))]
    rank = rank[guides.numbers]
    paths = _paths(shape, skull, normals, hair, style, guides, rank)
    edge = np.clip((above[roots.numbers] + 0.03) / 0.12, 0, 1)
    baby = (edge < 1) & (luck[roots.numbers] / hair.density > 0.6 * edge)
    planted = Planted(
        skull.to_local(roots.on(shape.vertices)),
        guides_of(roots, guides),
        roots.numbers,
        np.where(baby, 0.12 + 0.5 * edge**2, 1.0),
        np.where(baby, 0.45, 0.6 + 0.4 * edge),
    )
    lock = _lock(hair, style, detail)
    found = strands_beside(paths, rank, planted, lock, dye, skull, hair.seed)
    local = under_hat(skull.to_local(found.points), skull, hat)
    return replace(found, points=skull.to_world(local)) if hat != HatKind.NONE else found


def _paths(
    shape: HeadShape, skull: Skull, normals: Array, hair: Hair, style: Style, guides: Roots,
    rank: Array,
) -> Array:  # fmt: skip
    """`[guide point 3]`."""
    place, normal = skull.to_local(guides.on(shape.vertices)), guides.on(normals)
    low, high = style.length
    length = np.full(len(guides), low + (high - low) * hair.length)
    length = np.where(is_fringe(hair, place), 0.66 + 0.12 * rank, length)
    if hair.style in (S.SHORT, S.SIDE):
        length *= np.interp(place[:, 1], [-0.4, 0.15, 0.6], [0.35, 0.6, 1.0])
    volume = 0.55 + 0.9 * hair.volume
    low, high = style.clearance
    return grow(
        skull, place, normal, comb(hair, place), length, points=style.points,
        lift=style.lift * volume, gravity=style.gravity, stiffness=style.stiffness,
        clearance=low + (high - low) * volume * rank**0.7,
        cling=0.0 if hair.style == S.AFRO else 1.2,
    )  # fmt: skip


def _lock(hair: Hair, style: Style, detail: float) -> Lock:
    lock = replace(style.lock, width=style.lock.width / detail)
    if hair.style in (S.AFRO, S.CURLY_SHORT, S.LONG_CURLY):
        return replace(lock, curl=lock.curl * (0.7 + 0.6 * hair.wave))
    if hair.style in (S.BUZZ, S.RING) or hair.style in TIED:
        return lock
    length = (style.length[0] + style.length[1]) / 2
    size = (0.008 + 0.035 * hair.wave**2 + 0.03 * hair.curl) * min(1.0, length)
    return replace(lock, curl=size, turns=0.8 + 0.5 * hair.curl, loose=0.25)


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
    along_view = dots(tangent, view)[:, 0]
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
    gloss = strength * (0.030 * first[:, None] + 0.42 * second[:, None] * color)
    return diffuse + gloss + 0.012 * around * np.clip(1 - along_view**2, 0, 1)[:, None]
