"""The factors of a person: identity, expression, light and background, as records of numbers.

Colours are linear RGB in [0, 1] unless a name says sRGB. Kinds are the IntEnums beside them. How
they are distributed is the subject of `distributions.py`.
"""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

Array = np.ndarray


class HairStyle(IntEnum):
    """Kinds of hair."""

    BALD, RING, BUZZ, SHORT, SIDE, CURLY_SHORT, AFRO, BOB, LONG, LONG_CURLY, FRINGE, PONYTAIL = (
        range(12)
    )
    BUN, BRAIDS = range(12, 14)


class HatKind(IntEnum):
    """What covers the hair."""

    NONE, BEANIE, CAP, BRIM, HIJAB, TURBAN = range(6)


class GlassesKind(IntEnum):
    """Frames; SUN has dark lenses, the others clear ones."""

    NONE, ROUND, SQUARE, WIRE, SUN = range(5)


class BeardKind(IntEnum):
    """Beards as strands; stubble is the skin's."""

    NONE, MOUSTACHE, GOATEE, FULL = range(4)


class PaintKind(IntEnum):
    """Face paint."""

    NONE, STRIPES, BAND, HALF = range(4)


class CollarKind(IntEnum):
    """Necklines."""

    ROUND, WIDE, VEE, HIGH = range(4)


class PatternKind(IntEnum):
    """Patterns of clothes."""

    PLAIN, STRIPES, CHECKS, KNIT = range(4)


@dataclass(frozen=True)
class Physique:
    """The shape of a head.

    Attributes:
        femininity: 0 male, 1 female.
        age: years, from 18.
        ancestry: shares of MakeHuman's shapes (african, asian, caucasian), sum 1.
        muscle, weight: in [0, 1], .5 is average.
        modelling: coefficients of other shapes by name.
    """

    femininity: float
    age: float
    ancestry: tuple[float, float, float]
    muscle: float
    weight: float
    modelling: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Skin:
    """How skin looks.

    Attributes:
        tone: place on the Monk scale, 0 (lightest) to 9 (darkest).
        albedo: its colour.
        redness, freckles, moles, spots (of age), wrinkles, circles (about the eyes), stubble, oil:
            strengths in [0, 1].
        whiskers: colour of stubble.
        brow: colour of brows; density, thickness and length in [0, 1], arch in [-1, 1].
        lip: colour of bare lips; gloss in [0, 1].
        lipstick, eyeshadow, liner, blush, foundation: strengths in [0, 1], with their colours.
        paint, paint_color: PaintKind and its colour.
        seed: of the textures.
    """

    tone: float
    albedo: Array
    redness: float
    freckles: float
    moles: float
    spots: float
    wrinkles: float
    circles: float
    stubble: float
    whiskers: Array
    oil: float
    brow: Array
    brow_density: float
    brow_thickness: float
    brow_arch: float
    brow_length: float
    lip: Array
    lipstick: float
    lipstick_color: Array
    gloss: float
    eyeshadow: float
    eyeshadow_color: Array
    liner: float
    blush: float
    foundation: float
    paint: PaintKind
    paint_color: Array
    lashes: float
    seed: int


@dataclass(frozen=True)
class Eyes:
    """How eyes look.

    Attributes:
        iris, iris_rim, iris_ring: colours of the iris, of its dark border, and about the pupil.
        iris_size: its radius in radii of the eyeball.
        pupil: its radius in radii of the iris.
        veins, yellow: of the white, in [0, 1].
    """

    iris: Array
    iris_rim: Array
    iris_ring: Array
    iris_size: float
    pupil: float
    veins: float
    yellow: float
    seed: int


@dataclass(frozen=True)
class Hair:
    """Hair on the head and in the face; lengths in decimetres, the rest in [0, 1].

    Attributes:
        color, silver: of strands with pigment (or dye) and of white ones.
        grey: share of white strands.
    """

    style: HairStyle
    color: Array
    silver: Array
    grey: float
    length: float
    volume: float
    curl: float
    wave: float
    parting: float
    hairline: float
    density: float
    beard: BeardKind
    beard_length: float
    seed: int

    @property
    def mean_color(self) -> Array:
        """Of all strands."""
        return self.color * (1 - self.grey) + self.silver * self.grey


@dataclass(frozen=True)
class Outfit:
    """What a person wears."""

    hat: HatKind
    hat_color: Array
    glasses: GlassesKind
    glasses_color: Array
    glasses_size: float
    earrings: float
    earring_color: Array
    mask: float
    mask_color: Array
    collar: CollarKind
    pattern: PatternKind
    cloth: Array
    trim: Array
    seed: int


@dataclass(frozen=True)
class Identity:
    """What stays the same in all pictures of a person."""

    physique: Physique
    skin: Skin
    eyes: Eyes
    hair: Hair
    outfit: Outfit


@dataclass(frozen=True)
class Expression:
    """What the face does.

    Attributes:
        actions: ARKit's facial actions by name, in [0, 1].
        gaze: yaw and pitch, radians, of the picture's left eye and of the right one; 0 looks along
            +z, positive to the picture's right and up.
        neck: yaw, pitch and roll of the head against the torso, radians.
    """

    actions: dict[str, float]
    gaze: tuple[tuple[float, float], tuple[float, float]]
    neck: tuple[float, float, float]


@dataclass(frozen=True)
class Lobe:
    """A soft light from one direction: radiance `color · exp(sharpness (d · direction - 1))`."""

    direction: Array
    color: Array
    sharpness: float


@dataclass(frozen=True)
class Light:
    """An environment: a gradient from ground to sky and soft lobes; the first is the key light.

    Attributes:
        sky, ground: radiance from above and below.
        lobes: soft lights.
        exposure: factor before the tone curve.
    """

    sky: Array
    ground: Array
    lobes: tuple[Lobe, ...]
    exposure: float


@dataclass(frozen=True)
class Background:
    """A procedural backdrop at infinity; sRGB colours."""

    kind: int
    colors: Array
    angle: float
    scale: float
    seed: int


@dataclass(frozen=True)
class Person:
    """The factors that determine geometry and materials."""

    identity: Identity
    expression: Expression
