"""The factors of a puppet: identity, expression, light, background, as typed records.

Every field is a tensor over identities: `[identity 1]`, colours `[identity 1 3]` in [0, 1], so that
it broadcasts against `[identity point]`. Lengths are in head units (half a head is about 1; see
`anatomy.to_head`). Kinds hold the value of the IntEnum named beside them. How they are distributed
is the subject of `distributions.py`.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, TypeVar, get_type_hints

import torch
from jaxtyping import Float
from torch import Tensor

Scalar = Float[Tensor, "identity 1"]
Color = Float[Tensor, "identity 1 3"]
Record = TypeVar("Record")


class HairStyle(IntEnum):
    """Kinds of hair."""

    BALD, BUZZ, SHORT, QUIFF, BOWL, BOB, LONG, CURLY, AFRO, BUN, PONYTAIL, MOHAWK, SCARF = range(13)


class HatKind(IntEnum):
    """Kinds of hats."""

    NONE, CAP, BEANIE, FEDORA, BAND = range(5)


class GlassesKind(IntEnum):
    """Kinds of glasses."""

    NONE, ROUND, SQUARE, SUN = range(4)


class BeardKind(IntEnum):
    """Kinds of beards."""

    NONE, STUBBLE, FULL, GOATEE = range(4)


class PaintKind(IntEnum):
    """Kinds of face paint."""

    NONE, STRIPES, HALF, BAND, CLOWN = range(5)


class CollarKind(IntEnum):
    """Kinds of collars."""

    ROUND, TURTLENECK, STANDING = range(3)


class PatternKind(IntEnum):
    """Patterns of clothes."""

    PLAIN, STRIPES, DOTS = range(3)


@dataclass(frozen=True)
class Head:
    """Skull, jaw, cheeks, neck; `size` scales everything, `asymmetry` shears the face sideways."""

    size: Scalar
    width: Scalar
    height: Scalar
    depth: Scalar
    jaw_width: Scalar
    jaw_height: Scalar
    jaw_forward: Scalar
    chin_width: Scalar
    chin_y: Scalar
    chin_forward: Scalar
    cheek: Scalar
    cheek_y: Scalar
    brow_ridge: Scalar
    neck: Scalar
    ear: Scalar
    ear_outward: Scalar
    asymmetry: Scalar


@dataclass(frozen=True)
class Face:
    """Nose, eyes, mouth and eyebrows."""

    nose_y: Scalar
    nose_forward: Scalar
    nose_width: Scalar
    nose_radius: Scalar
    nose_upturn: Scalar
    nose_hook: Scalar
    eye_x: Scalar
    eye_y: Scalar
    eye_radius: Scalar
    eye_tilt: Scalar
    eye_opening: Scalar
    mouth_width: Scalar
    mouth_y: Scalar
    lip: Scalar
    brow_thickness: Scalar
    brow_slope: Scalar
    brow_y: Scalar


@dataclass(frozen=True)
class Skin:
    """Colours and marks of the skin and the eyes; `age` and `lashes` in [0, 1]."""

    tone: Color
    lip: Color
    iris: Color
    blush: Scalar
    freckles: Scalar
    age: Scalar
    lashes: Scalar
    eyeshadow: Scalar
    eyeshadow_color: Color
    paint: Scalar
    paint_color: Color


@dataclass(frozen=True)
class Hair:
    """Hair on the head (`style`: HairStyle), beard (BeardKind) and moustache (0 or 1)."""

    style: Scalar
    color: Color
    thickness: Scalar
    line: Scalar
    length: Scalar
    part: Scalar
    fringe: Scalar
    wave: Scalar
    beard: Scalar
    moustache: Scalar


@dataclass(frozen=True)
class Outfit:
    """Hat (HatKind), glasses (GlassesKind), earrings (0, 1), clothes (CollarKind, PatternKind)."""

    hat: Scalar
    hat_color: Color
    glasses: Scalar
    glasses_radius: Scalar
    glasses_color: Color
    earrings: Scalar
    collar: Scalar
    pattern: Scalar
    shoulders: Scalar
    cloth: Color
    trim: Color


@dataclass(frozen=True)
class Identity:
    """What stays the same in all pictures of a puppet."""

    head: Head
    face: Face
    skin: Skin
    hair: Hair
    outfit: Outfit


@dataclass(frozen=True)
class Expression:
    """What the face does.

    `smile` is in [-0.3, 1], `blink` in [0, 1]; `opening` is the mouth's.
    """

    smile: Scalar
    opening: Scalar
    blink: Scalar
    gaze_x: Scalar
    gaze_y: Scalar
    brow_lift: Scalar
    brow_tilt: Scalar


@dataclass(frozen=True)
class Light:
    """One soft directional light fixed to the world, and what comes from everywhere.

    `direction` has unit length and points to the light.
    """

    direction: Color
    color: Color
    ambient: Scalar
    gloss: Scalar


@dataclass(frozen=True)
class Background:
    """A two-coloured gradient at infinity: a function of the viewing direction alone."""

    first: Color
    second: Color
    slope: Scalar
    swirl: Scalar


@dataclass(frozen=True)
class Puppet:
    """The factors that determine geometry and albedo."""

    identity: Identity
    expression: Expression


def pack(record: Any) -> Float[Tensor, "identity number"]:
    """All numbers of a record, concatenated: one argument of a compiled kernel, not a hundred."""
    values = (getattr(record, field.name) for field in fields(record))
    return torch.cat(
        [value.flatten(1) if isinstance(value, Tensor) else pack(value) for value in values], 1
    )


def moved(record: Record, target: Tensor) -> Record:
    """The record on the device of `target`."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]
    return type(record)(
        **{
            name: v.to(target.device) if isinstance(v, Tensor) else moved(v, target)
            for name, v in values.items()
        }
    )


def row_of(record: Record, row: int) -> Record:
    """One identity of a record."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}  # type: ignore[arg-type]
    return type(record)(
        **{
            name: v[row : row + 1] if isinstance(v, Tensor) else row_of(v, row)
            for name, v in values.items()
        }
    )


def unpack(kind: type[Record], packed: Tensor) -> Record:
    """The inverse of `pack`."""
    return _unpack(LAYOUTS[kind], packed, 0)[0]


def width(kind: type) -> int:
    """How many numbers `pack` makes of a record."""
    return sum(part if isinstance(part, int) else width(part) for part in _types(kind).values())


def _types(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {
        field.name: {Scalar: 1, Color: 3}.get(hints[field.name], hints[field.name])
        for field in fields(kind)
    }  # type: ignore[arg-type]


def _layout(kind: type) -> tuple[type, tuple[tuple[str, Any], ...]]:
    return kind, tuple(
        (name, part if isinstance(part, int) else _layout(part))
        for name, part in _types(kind).items()
    )


LAYOUTS: dict[type, Any] = {kind: _layout(kind) for kind in (Puppet,)}


def _unpack(
    layout: tuple[type, tuple[tuple[str, Any], ...]], packed: Tensor, start: int
) -> tuple[Any, int]:
    kind, parts = layout
    values = {}
    for name, part in parts:
        if not isinstance(part, int):
            values[name], start = _unpack(part, packed, start)
            continue
        values[name] = (
            packed[:, start : start + 1] if part == 1 else packed[:, None, start : start + 3]
        )
        start += part
    return kind(**values), start
