"""How skin is distributed: tones, ageing, hair that grows from it, and what is put on it."""

from dataclasses import replace

import numpy as np

from .factors import Hair, PaintKind, Physique, Skin
from .rows import Row, linear

Array = np.ndarray

MONK = ("f6ede4", "f3e7db", "f7ead0", "eadaba", "d7bd96", "a07e56", "825c43", "604134", "3a312a",
        "292420")  # fmt: skip
"""The Monk Skin Tone scale's swatches (Monk 2019; skintone.google, openly released), sRGB, lightest
first.
"""
LIGHTEST_LUMINANCE, BLACK_LUMINANCE = 0.57, 0.03
"""An albedo's luminance is the second plus the first times its swatch's: swatches are colours on a
screen, and skin reflects neither 86 % of light nor less than 4 %.
"""
RED_TO_GREEN = (1.44, 1.50, 1.55, 1.60, 1.70, 1.83, 1.92, 1.97, 1.88, 1.72)
BLUE_TO_GREEN = (0.77, 0.74, 0.70, 0.67, 0.63, 0.60, 0.58, 0.58, 0.60, 0.64)
"""Linear ratios of an albedo's channels, by tone: between the swatches' and those of blood and
melanin, which are redder in light skin and less yellow in brown skin.
"""
TONES = np.array([
    [0.00, 0.00, 0.00, 0.02, 0.06, 0.10, 0.16, 0.22, 0.22, 0.22],
    [0.02, 0.06, 0.10, 0.14, 0.16, 0.16, 0.12, 0.08, 0.08, 0.08],
    [0.28, 0.24, 0.20, 0.14, 0.08, 0.04, 0.02, 0.00, 0.00, 0.00],
])  # fmt: skip
"""Shares of the ten tones in each ancestry (African, Asian, Caucasian). Their mean is a tenth for
every tone, so where ancestries are balanced, so are tones.
"""
PAINTS = [0.985, 0.005, 0.005, 0.005]
MADE_UP = 0.45
"""Share of women."""
UNSHAVEN = 0.6
"""Share of men with any stubble."""


def tone_albedo(tone: float, undertone: float = 0.0) -> Array:
    """Linear albedo of a place on the Monk scale, 0 to 9, between tones in proportion.

    Args:
        tone: the place.
        undertone: -1 is rosy, 1 is golden.
    """
    swatches = np.array([[int(code[i : i + 2], 16) for i in (0, 2, 4)] for code in MONK]) / 255
    luminance = linear(swatches) @ np.array([0.2126, 0.7152, 0.0722])
    luminance = BLACK_LUMINANCE + LIGHTEST_LUMINANCE * luminance
    red, blue = np.array(RED_TO_GREEN), np.array(BLUE_TO_GREEN)
    green = luminance / (0.2126 * red + 0.7152 + 0.0722 * blue)
    ramp = np.log(np.stack([red * green, green, blue * green], 1))
    low = int(min(tone, 8))
    albedo = np.exp(ramp[low] + (ramp[low + 1] - ramp[low]) * (tone - low))
    return (albedo * np.array([1.0, 1 + 0.035 * undertone, 1 - 0.09 * undertone])).astype("f4")


def draw_tone(draws: Row, physique: Physique) -> float:
    """A place on the Monk scale by ancestry (`TONES`), anywhere within half a tone."""
    tone = draws.choice("tone", (np.array(physique.ancestry) @ TONES).tolist())
    place = tone + draws.uniform("within the tone", -0.5, 0.5)
    return float(min(abs(place), 18 - place))  # the scale's ends reflect


def draw_skin(draws: Row, physique: Physique) -> Skin:
    """Skin of a person without hair: brows and stubble are `with_hair`'s."""
    tone = draw_tone(draws, physique)
    undertone = draws.uniform("undertone", -1, 1)
    albedo = tone_albedo(tone, undertone)
    age = (physique.age - 18) / 62
    woman = physique.femininity > 0.5
    made_up = woman and draws.happens("made up", MADE_UP)
    return Skin(
        tone=tone,
        albedo=albedo,
        redness=draws.uniform("redness", 0.2, 1.0),
        freckles=draws.uniform("freckles", 0.3, 1.0)
        * draws.happens("freckled", 0.22 if tone < 5 else 0.06),
        moles=draws.uniform("moles", 0.0, 1.0),
        spots=draws.uniform("age spots") * min(1.0, max(0.0, (age - 0.4) * 1.8)),
        wrinkles=min(1.0, max(0.0, age * 1.1 - 0.1 + draws.normal("wrinkles", 0.0, 0.1))),
        circles=min(1.0, 0.6 * draws.uniform("eye circles") + 0.4 * age),
        stubble=0.0
        if woman
        else draws.uniform("stubble", 0.1, 1.0) * draws.happens("unshaven", UNSHAVEN),
        whiskers=albedo,
        oil=draws.uniform("oil"),
        brow=albedo,
        brow_density=draws.uniform("brow density", 0.5, 1.0),
        brow_thickness=min(1.0, draws.uniform("brow thickness", 0.2, 0.7) - 0.25 * woman + 0.25),
        brow_arch=draws.normal("brow arch", 0.15 * woman, 0.4),
        brow_length=draws.uniform("brow length"),
        lip=_lip(albedo, tone, age, draws),
        lipstick=draws.uniform("lipstick", 0.4, 1.0) * (made_up and draws.happens("lips", 0.8)),
        lipstick_color=_lipstick(draws),
        gloss=draws.uniform("lip gloss") * (0.4 + 0.6 * made_up),
        eyeshadow=draws.uniform("eyeshadow", 0.3, 0.9) * (made_up and draws.happens("lids", 0.6)),
        eyeshadow_color=draws.color("eyeshadow", (0.2, 0.6), (0.15, 0.5)),
        liner=draws.uniform("liner", 0.3, 1.0) * (made_up and draws.happens("lined", 0.65)),
        blush=draws.uniform("blush") * made_up,
        foundation=draws.uniform("foundation", 0.3, 0.8) * made_up,
        paint=PaintKind(draws.choice("paint", PAINTS)),
        paint_color=draws.color("paint", (0.6, 1.0), (0.4, 1.0)),
        lashes=draws.uniform("lashes", 0.3, 0.7) + 0.3 * made_up,
        seed=int(draws.uniform("skin seed") * 2**24),
    )


def with_hair(skin: Skin, natural: Array, hair: Hair, physique: Physique) -> Skin:
    """Brows and stubble follow the hair's natural colour, not its dye; they grey later than it.

    Args:
        skin: of `draw_skin`.
        natural: linear colour of the hair without grey and dye.
        hair: the hair, for its share of grey.
        physique: for the age.
    """
    silver = np.array([0.30, 0.29, 0.28], np.float32)
    late = hair.grey**2 * min(1.0, max(0.0, (physique.age - 40) / 35))
    # Blond brows are darker than the hair; black ones are as dark.
    dark = natural * (0.42 + 0.5 * np.exp(-natural.sum() / 0.06))
    brow = dark * (1 - 0.7 * late) + silver * 0.7 * late
    whiskers = natural * 0.6 * (1 - 0.8 * hair.grey) + silver * 0.8 * hair.grey
    density = skin.brow_density * (1 - 0.25 * max(0.0, (physique.age - 55) / 25))
    return replace(
        skin,
        brow=brow.astype(np.float32),
        whiskers=whiskers.astype(np.float32),
        brow_density=density,
    )


def _lip(albedo: Array, tone: float, age: float, draws: Row) -> Array:
    """Skin with more blood; on dark skin browner than red."""
    blood = draws.uniform("lip colour", 0.65, 1.15) * (1 - 0.35 * age) * (1 - 0.05 * tone)
    filtered = albedo * (np.array([0.88, 0.42, 0.46]) ** blood)
    return (filtered + np.array([0.02, 0.004, 0.006]) * blood).astype(np.float32)


def _lipstick(draws: Row) -> Array:
    """From nude and rose to red, berry and plum: linear colours."""
    shades = np.array([[0.42, 0.17, 0.13], [0.45, 0.10, 0.12], [0.42, 0.03, 0.035],
                       [0.22, 0.02, 0.035], [0.17, 0.03, 0.07], [0.50, 0.12, 0.20]])  # fmt: skip
    place = draws.uniform("lipstick shade") * (len(shades) - 1)
    low = int(place)
    return (shades[low] + (shades[low + 1] - shades[low]) * (place - low)).astype(np.float32)
