"""The distributions of the factors, with all their parameters.

* Skin: the luminance of the albedo is uniform from light to dark, independent of everything but 2 %
  of fantasy skin.
* Hair colour, style, hats, glasses: drawn independently of the skin.
* Expression: most identities smile mildly or are neutral; a sixth smiles with open mouth; few are
  sad.
"""

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.worlds.draws import FactorDraws, hsv

from .factors import (
    Background,
    Color,
    Expression,
    Face,
    Hair,
    HairStyle,
    HatKind,
    Head,
    Identity,
    Light,
    Outfit,
    Scalar,
    Skin,
)
from .hair import is_any

HAIR_STYLES = {
    HairStyle.BALD: 0.06, HairStyle.BUZZ: 0.07, HairStyle.SHORT: 0.17, HairStyle.QUIFF: 0.11,
    HairStyle.BOWL: 0.05, HairStyle.BOB: 0.11, HairStyle.LONG: 0.13, HairStyle.CURLY: 0.08,
    HairStyle.AFRO: 0.06, HairStyle.BUN: 0.06, HairStyle.PONYTAIL: 0.05, HairStyle.MOHAWK: 0.02,
    HairStyle.SCARF: 0.03,
}  # fmt: skip
HATS = [0.80, 0.06, 0.06, 0.04, 0.04]
GLASSES = [0.76, 0.10, 0.09, 0.05]
BEARDS = [0.56, 0.16, 0.15, 0.13]
PAINTS = [0.972, 0.007, 0.007, 0.007, 0.007]
FANTASY_SKIN = 0.02

SKIN_TONES = [
    (0.98, 0.86, 0.78),
    (0.95, 0.76, 0.64),
    (0.86, 0.64, 0.50),
    (0.70, 0.48, 0.35),
    (0.52, 0.34, 0.24),
    (0.36, 0.23, 0.165),
]
HAIR_COLORS = [
    (0.085, 0.07, 0.07),
    (0.22, 0.135, 0.08),
    (0.40, 0.24, 0.12),
    (0.82, 0.64, 0.34),
    (0.62, 0.27, 0.10),
    (0.60, 0.46, 0.28),
]
HAIR_COLOR_WEIGHTS = [0.25, 0.22, 0.18, 0.15, 0.12, 0.08]
IRIS_COLORS = [
    (0.36, 0.21, 0.10),
    (0.19, 0.12, 0.08),
    (0.30, 0.50, 0.74),
    (0.30, 0.50, 0.28),
    (0.46, 0.50, 0.54),
]
LUMINANCE = (0.2126, 0.7152, 0.0722)


def luminance(color: Tensor) -> Tensor:
    """Relative luminance (Rec. 709 weights) of the last axis."""
    return color @ torch.tensor(LUMINANCE).to(color)


def draw_identity(seeds: list[int]) -> Identity:
    """The identities of the given identity seeds."""
    draws = FactorDraws(seeds, "identity")
    femininity = draws.uniform("femininity")
    age = draws.uniform("age")
    hair = _hair(draws, femininity, age)
    outfit = _outfit(draws, femininity)
    hair = replace(hair, style=_under_hat(hair.style, outfit.hat))
    head = _under_hair(_head(draws, femininity), hair.style)
    return Identity(head, _face(draws, femininity), _skin(draws, femininity, age), hair, outfit)


def draw_expression(seeds: list[int]) -> Expression:
    """The expressions of the given expression seeds."""
    draws = FactorDraws(seeds, "expression")
    laugh = draws.bernoulli("laugh", 0.22)
    sad = draws.bernoulli("sad", 0.06)
    smile = draws.normal("smile", 0.42, 0.20).clamp(0.02, 0.8)
    smile = torch.where(
        laugh > 0,
        draws.uniform("laughing", 0.6, 0.95),
        torch.where(sad > 0, draws.uniform("sadness", -0.22, 0.0), smile),
    )
    talking = draws.uniform("talk opening", 0.015, 0.05) * draws.bernoulli("talk", 0.12)
    opening = torch.where(laugh > 0, draws.uniform("laugh opening", 0.045, 0.10), talking)
    return Expression(
        smile=smile,
        opening=opening,
        blink=draws.bernoulli("blink", 0.03),
        gaze_x=draws.normal("gaze x", 0.0, 0.10),
        gaze_y=draws.normal("gaze y", 0.0, 0.05),
        brow_lift=draws.normal("brow lift", 0.0, 0.022),
        brow_tilt=draws.normal("brow tilt", 0.0, 0.03),
    )


def draw_light(seeds: list[int]) -> Light:
    """The light of the given light seeds: mostly from the front and above, warm or cool, soft."""
    draws = FactorDraws(seeds, "light")
    yaw, pitch = draws.normal("yaw", 0.0, 0.65), draws.normal("pitch", 0.5, 0.28)
    warmth = draws.uniform("warmth", -1.0, 1.0)
    strength = draws.uniform("strength", 0.50, 0.70)
    tint = torch.stack([1 + 0.09 * warmth, torch.ones_like(warmth), 1 - 0.12 * warmth], -1)
    direction = torch.stack([yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], -1)
    return Light(
        direction=F.normalize(direction, dim=-1),
        color=tint * strength[..., None],
        ambient=draws.uniform("ambient", 0.50, 0.64),
        gloss=draws.uniform("gloss", 0.03, 0.2),
    )


def draw_background(seeds: list[int]) -> Background:
    """The backdrops of the given background seeds."""
    draws = FactorDraws(seeds, "background")
    return Background(
        draws.color("first", (0.0, 0.5), (0.2, 0.95)),
        draws.color("second", (0.0, 0.5), (0.2, 0.95)),
        draws.uniform("slope", -2.0, 2.0),
        draws.uniform("swirl"),
    )


def _head(draws: FactorDraws, femininity: Scalar) -> Head:
    return Head(
        size=draws.normal("size", 1.0, 0.035),
        width=draws.normal("width", 0.80, 0.04),
        height=draws.normal("height", 0.86, 0.04),
        depth=draws.normal("depth", 0.90, 0.035),
        jaw_width=draws.normal("jaw width", 0.60, 0.06) - 0.05 * femininity,
        jaw_height=draws.normal("jaw height", 0.66, 0.05),
        jaw_forward=draws.normal("jaw forward", 0.14, 0.03),
        chin_width=draws.normal("chin width", 0.19, 0.035) - 0.03 * femininity,
        chin_y=draws.normal("chin y", -0.86, 0.05),
        chin_forward=draws.normal("chin forward", 0.44, 0.05),
        cheek=draws.normal("cheek", 0.22, 0.05),
        cheek_y=draws.normal("cheek y", -0.20, 0.05),
        brow_ridge=(draws.normal("brow ridge", 0.09, 0.03) - 0.05 * femininity).clamp(min=0.0),
        neck=draws.normal("neck", 0.41, 0.045) - 0.09 * femininity,
        ear=draws.normal("ear", 0.20, 0.03),
        ear_outward=draws.normal("ear outward", 0.09, 0.04).clamp(min=0.0),
        asymmetry=draws.normal("asymmetry", 0.0, 0.015),
    )


def _under_hair(head: Head, style: Scalar) -> Head:
    """Smaller, flatter ears where hair covers them."""
    is_covered = is_any(
        style,
        HairStyle.BOB,
        HairStyle.LONG,
        HairStyle.CURLY,
        HairStyle.SCARF,
        HairStyle.AFRO,
        HairStyle.BOWL,
    )
    outward = torch.where(is_covered, head.ear_outward * 0.15, head.ear_outward)
    return replace(head, ear=torch.where(is_covered, head.ear * 0.7, head.ear), ear_outward=outward)


def _under_hat(style: Scalar, hat: Scalar) -> Scalar:
    """Hair that would stick out of a hat's crown is worn short."""
    is_high = is_any(
        style, HairStyle.QUIFF, HairStyle.BUN, HairStyle.AFRO, HairStyle.MOHAWK, HairStyle.SCARF
    )
    is_crowned = is_any(hat, HatKind.CAP, HatKind.BEANIE, HatKind.FEDORA)
    return torch.where(is_high & is_crowned, float(HairStyle.SHORT), style)


def _face(draws: FactorDraws, femininity: Scalar) -> Face:
    return Face(
        nose_y=draws.normal("nose y", -0.24, 0.04),
        nose_forward=draws.normal("nose forward", 0.95, 0.05),
        nose_width=draws.normal("nose width", 0.105, 0.02),
        nose_radius=draws.normal("nose radius", 0.068, 0.014) - 0.008 * femininity,
        nose_upturn=draws.normal("nose upturn", 0.0, 0.03),
        nose_hook=draws.normal("nose hook", 0.0, 0.03),
        eye_x=draws.normal("eye x", 0.305, 0.022),
        eye_y=draws.normal("eye y", 0.03, 0.025),
        eye_radius=draws.normal("eye radius", 0.138, 0.010) + 0.012 * femininity,
        eye_tilt=draws.normal("eye tilt", 0.02, 0.10) + 0.08 * femininity,
        eye_opening=draws.normal("eye opening", 0.72, 0.09),
        mouth_width=draws.normal("mouth width", 0.30, 0.032),
        mouth_y=draws.normal("mouth y", -0.53, 0.03),
        lip=draws.normal("lip", 0.050, 0.011) + 0.014 * femininity,
        brow_thickness=draws.normal("brow thickness", 0.042, 0.010) - 0.014 * femininity,
        brow_slope=draws.normal("brow slope", 0.0, 0.035),
        brow_y=draws.normal("brow y", 0.25, 0.022),
    )


def _skin(draws: FactorDraws, femininity: Scalar, age: Scalar) -> Skin:
    tone = _skin_tone(draws)
    made_up = draws.bernoulli("lipstick", 0.05 + 0.4 * femininity)
    hue = draws.uniform("lipstick hue", 0.93, 1.02)
    lipstick = hsv(
        hue,
        draws.uniform("lipstick saturation", 0.45, 0.8),
        draws.uniform("lipstick value", 0.5, 0.85),
    )
    natural = tone * torch.tensor([0.90, 0.62, 0.62]) + torch.tensor([0.06, 0.01, 0.02])
    light = (luminance(tone) - 0.3).clamp(0, 0.3) / 0.3
    return Skin(
        tone=tone,
        lip=torch.where(made_up[..., None] > 0, lipstick, natural).clamp(0, 1),
        iris=_pick(draws, "iris", IRIS_COLORS, [0.35, 0.22, 0.18, 0.15, 0.10]),
        blush=draws.uniform("blush", 0.0, 0.5) * light,
        freckles=draws.uniform("freckle strength", 0.2, 0.55)
        * draws.bernoulli("freckles", 0.18)
        * light,
        age=age,
        lashes=femininity,
        eyeshadow=draws.uniform("eyeshadow strength", 0.2, 0.6)
        * draws.bernoulli("eyeshadow", 0.3 * femininity),
        eyeshadow_color=draws.color("eyeshadow", (0.3, 0.8), (0.3, 0.7)),
        paint=draws.choice("paint", PAINTS),
        paint_color=draws.color("paint", (0.6, 1.0), (0.5, 1.0)),
    )


def _skin_tone(draws: FactorDraws) -> Color:
    """Uniform in luminance: the ramp's colours are interpolated over their own luminances."""
    tones = torch.tensor(SKIN_TONES).flip(0)
    knots = luminance(tones)
    wanted = draws.uniform("skin luminance", float(knots[0]), float(knots[-1]))
    upper = torch.bucketize(wanted, knots[1:-1]) + 1
    share = ((wanted - knots[upper - 1]) / (knots[upper] - knots[upper - 1]))[..., None]
    tone = tones[upper - 1] * (1 - share) + tones[upper] * share
    undertone = torch.stack(
        [draws.normal(f"undertone {channel}", 1.0, 0.02) for channel in "rgb"], -1
    )
    fantasy = draws.color("fantasy skin", (0.25, 0.6), (0.5, 0.9))
    return torch.where(
        draws.bernoulli("fantasy", FANTASY_SKIN)[..., None] > 0, fantasy, tone * undertone
    ).clamp(0.05, 1)


def _hair(draws: FactorDraws, femininity: Scalar, age: Scalar) -> Hair:
    grey = ((age - 0.6) * 2.2).clamp(0, 1) * draws.bernoulli("grey", 0.6)
    natural = _pick(draws, "hair", HAIR_COLORS, HAIR_COLOR_WEIGHTS)
    dyed = draws.bernoulli("dyed", 0.05)[..., None]
    natural = torch.where(dyed > 0, draws.color("dye", (0.4, 0.8), (0.5, 0.9)), natural)
    silver = torch.tensor([0.74, 0.74, 0.76]) * draws.uniform("silver", 0.75, 1.1)[..., None]
    is_man = (femininity < 0.5).float()
    return Hair(
        style=draws.choice("hair style", list(HAIR_STYLES.values())),
        color=(natural * (1 - grey[..., None]) + silver * grey[..., None]).clamp(0, 1),
        thickness=draws.uniform("hair thickness", 0.06, 0.15),
        line=draws.normal("hair line", 0.02, 0.06),
        length=draws.uniform("hair length", -0.2, 0.35),
        part=draws.uniform("hair part", -0.25, 0.25),
        fringe=draws.bernoulli("fringe", 0.3),
        wave=draws.uniform("hair wave"),
        beard=draws.choice("beard", BEARDS) * is_man,
        moustache=draws.bernoulli("moustache", 0.16) * is_man,
    )


def _outfit(draws: FactorDraws, femininity: Scalar) -> Outfit:
    black = draws.bernoulli("black glasses", 0.6)[..., None]
    return Outfit(
        hat=draws.choice("hat", HATS),
        hat_color=draws.color("hat", (0.1, 0.8), (0.2, 0.9)),
        glasses=draws.choice("glasses", GLASSES),
        glasses_radius=draws.uniform("glasses radius", 0.20, 0.245),
        glasses_color=torch.where(
            black > 0,
            torch.tensor([0.06, 0.06, 0.07]),
            draws.color("glasses", (0.3, 0.9), (0.2, 0.8)),
        ),
        earrings=draws.bernoulli("earrings", 0.03 + 0.35 * femininity),
        collar=draws.choice("collar", [0.6, 0.15, 0.25]),
        pattern=draws.choice("pattern", [0.6, 0.22, 0.18]),
        shoulders=draws.normal("shoulders", 1.35, 0.11) - 0.15 * femininity,
        cloth=draws.color("cloth", (0.05, 0.75), (0.15, 0.95)),
        trim=draws.color("trim", (0.05, 0.75), (0.15, 0.95)),
    )


def _pick(
    draws: FactorDraws, name: str, colors: list[tuple[float, float, float]], weights: list[float]
) -> Color:
    chosen = torch.tensor(colors)[draws.choice(name + " color", weights)[:, 0].long()]
    return chosen[:, None] * draws.uniform(name + " brightness", 0.85, 1.2)[..., None]
