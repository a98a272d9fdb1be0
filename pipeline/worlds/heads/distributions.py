"""The distributions of the factors of identity, with all their parameters.

The census: gender uniform (most near either end), age uniform from 18 to 80 years, ancestry uniform
over three kinds and their mixtures, weight and muscle about the average; the ten Monk skin tones
equally often together, and overlapping ranges of them for each ancestry (`complexion.draw_tone`).
"""

from dataclasses import replace
from functools import cache

import numpy as np

from .complexion import draw_skin, with_hair
from .factors import (
    BeardKind,
    CollarKind,
    GlassesKind,
    Hair,
    HairStyle,
    HatKind,
    Identity,
    Outfit,
    PatternKind,
    Physique,
    Skin,
)
from .irises import draw_eyes
from .rows import Row, row_of
from .template import template

Array = np.ndarray

SPREAD = {
    "head": 0.13, "forehead": 0.14, "eyebrows": 0.2, "eyes": 0.19, "nose": 0.17, "mouth": 0.16,
    "chin": 0.15, "cheek": 0.18, "ears": 0.2, "neck": 0.1,
}  # fmt: skip
"""Deviation of a modelling target's coefficient, by group; a pair of opposites shares a draw."""
ROUND_FACES = 0.16
"""Deviation of the single targets (oval, square …), which are only added."""
ASYMMETRY = 0.15
MOST = 0.8
"""No coefficient exceeds it."""

EUMELANIN_HAIR = [(0.010, 0.008, 0.007), (0.030, 0.017, 0.010), (0.075, 0.040, 0.020)]
LIGHT_HAIR = [(0.16, 0.085, 0.035), (0.33, 0.20, 0.085), (0.45, 0.32, 0.17), (0.21, 0.062, 0.018)]
STYLES_OF_MEN = {
    HairStyle.BALD: 0.08, HairStyle.RING: 0.05, HairStyle.BUZZ: 0.15, HairStyle.SHORT: 0.24,
    HairStyle.SIDE: 0.16, HairStyle.CURLY_SHORT: 0.1, HairStyle.AFRO: 0.05, HairStyle.BOB: 0.02,
    HairStyle.LONG: 0.03, HairStyle.LONG_CURLY: 0.02, HairStyle.FRINGE: 0.05,
    HairStyle.PONYTAIL: 0.02, HairStyle.BUN: 0.02, HairStyle.BRAIDS: 0.01,
}  # fmt: skip
STYLES_OF_WOMEN = {
    HairStyle.BALD: 0.01, HairStyle.RING: 0.0, HairStyle.BUZZ: 0.03, HairStyle.SHORT: 0.07,
    HairStyle.SIDE: 0.07, HairStyle.CURLY_SHORT: 0.07, HairStyle.AFRO: 0.06, HairStyle.BOB: 0.14,
    HairStyle.LONG: 0.19, HairStyle.LONG_CURLY: 0.11, HairStyle.FRINGE: 0.08,
    HairStyle.PONYTAIL: 0.07, HairStyle.BUN: 0.06, HairStyle.BRAIDS: 0.04,
}  # fmt: skip
HATS = [0.86, 0.03, 0.03, 0.02, 0.045, 0.015]
GLASSES = [0.73, 0.07, 0.07, 0.09, 0.04]
BEARDS = [0.62, 0.09, 0.10, 0.19]
MASKED = 0.025


def draw_identity(seed: int) -> Identity:
    """The identity of an identity seed."""
    draws = row_of(seed, "head identity")
    physique = draw_physique(seed)
    skin = draw_skin(draws, physique)
    outfit = _outfit(draws, physique)
    hair = _under_mask(_under_hat(_hair(draws, physique, skin), outfit.hat), outfit.mask)
    natural = natural_hair_color(draws, physique, skin)
    skin = with_hair(skin, natural, hair, physique)
    return Identity(physique, skin, draw_eyes(draws, skin, natural, physique), hair, outfit)


def draw_physique(seed: int) -> Physique:
    """The shape of a head: the first of the seed's attempts that `plausibility` accepts."""
    from .plausibility import is_plausible

    for attempt in range(8):
        draws = row_of(seed, "head shape" if not attempt else f"head shape {attempt}")
        physique = _physique(row_of(seed, "head identity"), draws, 0.75**attempt)
        if is_plausible(physique):
            return physique
    return replace(physique, modelling={})


def _physique(census: Row, draws: Row, spread: float) -> Physique:
    femininity = census.uniform("femininity")
    side = 1.0 if femininity > 0.5 else 0.0
    femininity = side + (0.5 - abs(femininity - 0.5)) * 0.5 * (1 - 2 * side)
    return Physique(
        femininity=femininity,
        age=census.uniform("age", 18, 80),
        ancestry=_ancestry(census),
        muscle=float(np.clip(draws.normal("muscle", 0.5, 0.16), 0.1, 0.9)),
        weight=float(np.clip(draws.normal("weight", 0.5, 0.19), 0.08, 0.95)),
        modelling=_modelling(draws, spread),
    )


def _ancestry(census: Row) -> tuple[float, float, float]:
    """One of the three kinds, and a share of the others."""
    kind = census.choice("ancestry", [1.0, 1.0, 1.0])
    mixture = census.uniform("mixture") ** 3 * 0.6
    other = census.uniform("other ancestry")
    shares = [0.0, 0.0, 0.0]
    shares[kind] = 1 - mixture
    shares[(kind + 1) % 3] += mixture * other
    shares[(kind + 2) % 3] += mixture * (1 - other)
    return shares[0], shares[1], shares[2]


OPPOSITES = (
    ("-decr", "-incr"), ("-down", "-up"), ("-in", "-out"), ("-backward", "-forward"),
    ("-concave", "-convex"), ("-compress", "-uncompress"), ("-square", "-round"),
    ("-pointed", "-triangle"),
)  # fmt: skip


@cache
def _modelling_plan() -> tuple[list[str], list[tuple[str, str, float]]]:
    """Names of the draws, and for each: the shape of a negative and of a positive value, and the
    deviation.
    """
    names = {str(name) for name in template().names}
    drawn, plan = [], []
    for name in sorted(names):
        group = name.partition("/")[0]
        if group == "asym":
            drawn.append(name)
            plan.append(("", name, ASYMMETRY))
        if group not in SPREAD:
            continue
        pair = next(((a, b) for a, b in OPPOSITES if name.endswith(a)), None)
        if pair is not None and (other := name.removesuffix(pair[0]) + pair[1]) in names:
            drawn.append(name)
            plan.append((name, other, SPREAD[group]))
        elif pair is None and not any(name.endswith(b) for _, b in OPPOSITES):
            drawn.append(name)
            plan.append(("", name, ROUND_FACES))
    return drawn, plan


def _modelling(draws: Row, spread: float) -> dict[str, float]:
    names, plan = _modelling_plan()
    found = {}
    for value, (negative, positive, deviation) in zip(draws.normals(names), plan, strict=True):
        name = negative if value < 0 else positive
        if name:
            found[name] = min(MOST, abs(value) * deviation * spread)
    return found


def natural_hair_color(draws: Row, physique: Physique, skin: Skin) -> Array:
    """Linear colour of hair without grey and dye: `draw_identity` asks for hair, brows and eyes."""
    dark = draws.choice("dark hair", [0.55, 0.3, 0.15])
    color = np.array(EUMELANIN_HAIR[dark], np.float32)
    if draws.happens("light hair", 0.75 * physique.ancestry[2] * (skin.tone < 4.5)):
        light = LIGHT_HAIR[draws.choice("light colour", [0.4, 0.25, 0.15, 0.2])]
        color = np.array(light, np.float32)
    return color * draws.uniform("hair brightness", 0.75, 1.35)


def _hair(draws: Row, physique: Physique, skin: Skin) -> Hair:
    woman = physique.femininity > 0.5
    african, _, _ = physique.ancestry
    color = natural_hair_color(draws, physique, skin)
    if draws.happens("dyed", 0.04):
        color = draws.color("dye", (0.4, 0.8), (0.3, 0.8))
        color = color * draws.uniform("hair brightness", 0.75, 1.35)
    grey = _grey(draws, physique)
    silver = np.array([0.32, 0.31, 0.295], np.float32) * draws.uniform("silver", 0.7, 1.3)
    styles = STYLES_OF_WOMEN if woman else STYLES_OF_MEN
    weights = _of_ancestry(styles, african, physique.age)
    style = HairStyle(draws.choice("hair style", weights))
    curl = float(np.clip(0.75 * african + draws.uniform("curl", -0.15, 0.45) ** 1, 0, 1))
    return Hair(
        style=style,
        color=color.astype(np.float32),
        silver=silver.astype(np.float32),
        grey=grey,
        length=draws.uniform("hair length"),
        volume=draws.uniform("hair volume"),
        curl=curl,
        wave=draws.uniform("hair wave"),
        parting=draws.uniform("parting", -1, 1),
        hairline=float(
            np.clip(
                draws.normal("hairline", 0.0, 0.35) + (0 if woman else (physique.age - 30) / 60),
                -1,
                1,
            )
        ),
        density=draws.uniform("hair density", 0.75, 1.0),
        beard=BeardKind(draws.choice("beard", BEARDS) if not woman else 0),
        beard_length=draws.uniform("beard length"),
        seed=int(draws.uniform("hair seed") * 2**24),
    )


def _grey(draws: Row, physique: Physique) -> float:
    """The share of white strands, in own round numbers: hair greys from 42 years on, give or take
    8, for 40 years; most women and some men dye it.
    """
    since = physique.age - draws.normal("grey", 42.0, 8.0)
    share = float(np.clip(since / 40, 0, 1))
    return share * draws.happens("greys", 0.85 if physique.femininity < 0.5 else 0.4)


def _of_ancestry(styles: dict[HairStyle, float], african: float, age: float) -> list[float]:
    weights = dict(styles)
    for style in (HairStyle.AFRO, HairStyle.CURLY_SHORT, HairStyle.BUZZ, HairStyle.BRAIDS):
        weights[style] *= 1 + 2.5 * african
    for style in (HairStyle.SIDE, HairStyle.LONG, HairStyle.FRINGE, HairStyle.SHORT):
        weights[style] *= 1 - 0.7 * african
    weights[HairStyle.RING] *= max(0.0, (age - 40) / 15)
    return [weights[style] for style in HairStyle]


def _under_hat(hair: Hair, hat: HatKind) -> Hair:
    """Hair that would stick out of a hat is short; a hijab or turban covers it."""
    if hat in (HatKind.HIJAB, HatKind.TURBAN):
        return replace(hair, style=HairStyle.BALD)
    high = (HairStyle.AFRO, HairStyle.BUN, HairStyle.CURLY_SHORT, HairStyle.SHORT, HairStyle.SIDE)
    if hat != HatKind.NONE and hair.style in high:
        return replace(hair, style=HairStyle.BUZZ)
    if hat != HatKind.NONE and hair.style in (HairStyle.FRINGE,):
        return replace(hair, style=HairStyle.BOB)
    return hair


def _under_mask(hair: Hair, mask: float) -> Hair:
    """A beard would stick out of a mask."""
    return replace(hair, beard=BeardKind.NONE) if mask else hair


def _outfit(draws: Row, physique: Physique) -> Outfit:
    woman = physique.femininity > 0.5
    hats = list(HATS)
    hats[HatKind.HIJAB] *= 2 * woman
    hats[HatKind.TURBAN] *= 2 * (not woman)
    hat = HatKind(draws.choice("hat", hats))
    dark = draws.happens("dark frames", 0.6)
    frames = np.array([0.012, 0.011, 0.012], np.float32)
    gold = draws.happens("gold", 0.6)
    return Outfit(
        hat=hat,
        hat_color=draws.color("hat", (0.05, 0.7), (0.1, 0.8)),
        glasses=GlassesKind(draws.choice("glasses", GLASSES)),
        glasses_color=frames if dark else draws.color("frames", (0.2, 0.7), (0.2, 0.6)),
        glasses_size=draws.uniform("glasses size"),
        earrings=draws.uniform("earring size", 0.4, 1.0)
        * draws.happens("earrings", 0.42 if woman else 0.04) * (hat != HatKind.HIJAB),
        earring_color=np.array([0.9, 0.62, 0.24] if gold else [0.75, 0.75, 0.77], np.float32),
        mask=float(draws.happens("mask", MASKED)),
        mask_color=np.array([0.35, 0.58, 0.72] if draws.happens("blue mask", 0.5)
                            else [0.75, 0.75, 0.75], np.float32),
        collar=CollarKind(draws.choice("collar", [0.45, 0.2, 0.15, 0.2])),
        pattern=PatternKind(draws.choice("pattern", [0.6, 0.14, 0.12, 0.14])),
        cloth=draws.color("cloth", (0.0, 0.7), (0.1, 0.95)),
        trim=draws.color("trim", (0.0, 0.7), (0.1, 0.95)),
        seed=int(draws.uniform("cloth seed") * 2**24),
    )  # fmt: skip
