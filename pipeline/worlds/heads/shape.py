"""A head's vertices: identity, facial action, gaze, and the turn of the neck."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .factors import Expression, Physique
from .frame import Frame, frame_of
from .landmarks import five_points, landmark_vertices
from .template import AGES, ANCESTRIES, GENDERS, MUSCLES, WEIGHTS, template

Array = np.ndarray

NECK_PIVOT = np.array([0.0, -1.05, -1.25])
"""Decimetres from the middle of the eyes: about which the torso turns against the head."""


@dataclass(frozen=True)
class EyeBall:
    """World units; `gaze` is the unit direction in which it looks, `up` the top of its iris."""

    center: Array
    radius: float
    gaze: Array


@dataclass(frozen=True)
class HeadShape:
    """One head in one expression.

    Attributes:
        vertices: `[vertex 3]` of the template, world units.
        landmarks: `[68 3]`, world units.
        eyes: the picture's left one, then the right one.
        frame: of the neutral head.
    """

    vertices: Array
    landmarks: Array
    eyes: tuple[EyeBall, EyeBall]
    frame: Frame


def phenotype_coefficients(physique: Physique) -> dict[str, float]:
    """Coefficients of MakeHuman's macro shapes: products of the factors' shares."""
    gender = dict(zip(GENDERS, (1 - physique.femininity, physique.femininity), strict=True))
    old = min(max((physique.age - 25) / 65, 0.0), 1.0)
    age = dict(zip(AGES, (1 - old, old), strict=True))
    muscle, weight = _three(MUSCLES, physique.muscle), _three(WEIGHTS, physique.weight)
    found = {}
    for g, share in gender.items():
        for a, years in age.items():
            for ancestry, part in zip(ANCESTRIES, physique.ancestry, strict=True):
                found[f"{ancestry}-{g}-{a}"] = share * years * part
            for m, strength in muscle.items():
                for w, mass in weight.items():
                    found[f"{g}-{a}-{m}-{w}"] = share * years * strength * mass
    return found


def _three(names: tuple[str, ...], value: float) -> dict[str, float]:
    """Shares of least, average and most for a value in [0, 1]."""
    low, high = max(1 - 2 * value, 0.0), max(2 * value - 1, 0.0)
    return dict(zip(names, (low, 1 - low - high, high), strict=True))


def neutral_vertices(physique: Physique) -> Array:
    """`[vertex 3]`, decimetres."""
    shape = template()
    moved = _coefficients(physique) @ shape.shapes.reshape(len(shape.shapes), -1)
    return shape.base + moved.reshape(-1, 3)


def neutral_landmarks(physique: Physique) -> Array:
    """`[68 3]`: those of `neutral_vertices`, without the other vertices."""
    base, shapes = _landmark_shapes()
    return base + np.tensordot(_coefficients(physique), shapes, 1)


@cache
def _landmark_shapes() -> tuple[Array, Array]:
    rows = landmark_vertices()
    return template().base[rows], np.ascontiguousarray(template().shapes[:, rows])


def _coefficients(physique: Physique) -> Array:
    rows = _rows()
    coefficients = np.zeros(len(rows), np.float32)
    for name, value in {**phenotype_coefficients(physique), **physique.modelling}.items():
        coefficients[rows[name]] = value
    return coefficients


@cache
def _rows() -> dict[str, int]:
    return template().rows()


def _moved(vertices: Array, coefficients: Array, shapes: Array) -> Array:
    used = np.flatnonzero(coefficients)
    return vertices + np.tensordot(coefficients[used], shapes[used], 1)


def head_shape(physique: Physique, expression: Expression) -> HeadShape:
    """The head in the world."""
    return posed(neutral_vertices(physique), expression)


def posed(neutral: Array, expression: Expression) -> HeadShape:
    """A neutral head `[vertex 3]` (decimetres) with an expression, in the world."""
    shape = template()
    rows = _rows()
    frame = frame_of(neutral[landmark_vertices()])
    coefficients = np.zeros(len(rows), np.float32)
    for name, value in expression.actions.items():
        coefficients[rows[f"action/{name}"]] = value
    moved = _moved(neutral, coefficients, shape.shapes)
    moved = _with_turned_torso(moved, neutral, expression)
    world = frame.to_world(moved)
    eyes = tuple(
        _eyeball(neutral[shape.eye_rows[side]], frame, expression, side) for side in (0, 1)
    )
    return HeadShape(world, world[landmark_vertices()], eyes, frame)  # type: ignore[arg-type]


def _eyeball(vertices: Array, frame: Frame, expression: Expression, side: int) -> EyeBall:
    """The smallest box about an eyeball's vertices gives centre and radius."""
    low, high = vertices.min(0), vertices.max(0)
    radius = float((high - low)[:2].mean() / 2)
    center = (low + high) / 2
    center[2] = high[2] - radius
    yaw, pitch = expression.gaze[side]
    direction = np.array(
        [np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], np.float32
    )
    return EyeBall(frame.to_world(center[None])[0], radius * frame.scale, direction)


def _with_turned_torso(vertices: Array, neutral: Array, expression: Expression) -> Array:
    """The head stays; what hangs on the spine turns the other way."""
    pivot = five_points(neutral[landmark_vertices()])[:2].mean(0) + NECK_PIVOT
    share = (1 - template().follows_head)[:, None]
    turned = (vertices - pivot) @ _rotation(*(-angle for angle in expression.neck)).T + pivot
    return vertices + share * (turned - vertices)


def _rotation(yaw: float, pitch: float, roll: float) -> Array:
    """Turns to +x by yaw, up by pitch, clockwise by roll."""
    cy, sy, cp, sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).astype(np.float32)
