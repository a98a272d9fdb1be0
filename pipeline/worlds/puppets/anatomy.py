"""The head's geometry: skull, nose, ears, neck, eyes, lids, mouth.

Coordinates are head units: the head is about 1.7 high, x to the identity's left, y up, z forward,
nose tip near z = 1. The fast world records the operators of these functions for its kernels,
hence plain tensor annotations: all are `[identity point]`.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from .factors import Expression, Face, Head, Puppet
from .sdf import capsule, ellipsoid, smooth_max, smooth_min, sphere

HEAD_UNIT = 0.205
"""World length of one head unit."""

CENTER_Y, CENTER_Z = 0.02, -0.12
"""Where the origin of head units lies above and behind the world's, in head units."""


Points = tuple[Tensor, Tensor, Tensor]
"""World x, y, z, each `[identity point]`: apart, because the compiler only vectorises contiguous
reads.
"""


class Place(NamedTuple):
    """Points in head units; `x` is mirrored to the left half (|side|)."""

    side: Tensor
    x: Tensor
    y: Tensor
    z: Tensor


def to_head(points: Points, head: Head) -> Place:
    """World points in head units."""
    scale = 1 / (HEAD_UNIT * head.size)
    y, z = points[1] * scale - CENTER_Y, points[2] * scale - CENTER_Z
    side = points[0] * scale + head.asymmetry * y
    return Place(side, side.abs(), y, z)


def mouth_y(at: Place, face: Face, expression: Expression) -> Tensor:
    """Height above the line between the lips: a parabola that a smile bends up and a frown down."""
    across = at.x.clamp(max=0.42)
    return at.y - face.mouth_y - expression.smile * (across * across * 1.7 - 0.035)


def skull(at: Place, head: Head, face: Face) -> Tensor:
    """Skull, jaw, chin, cheeks, brows and eye sockets."""
    _, x, y, z = at
    d = ellipsoid(x, y - 0.16, z + 0.06, head.width, head.height, head.depth)
    d = smooth_min(
        d, ellipsoid(x, y + 0.36, z - head.jaw_forward, head.jaw_width, head.jaw_height, 0.62), 0.28
    )
    d = smooth_min(
        d, ellipsoid(x, y - head.chin_y, z - head.chin_forward, head.chin_width, 0.13, 0.17), 0.18
    )
    d = smooth_min(d, ellipsoid(x - 0.34, y - head.cheek_y, z - 0.44, head.cheek, 0.2, 0.24), 0.18)
    d = smooth_min(
        d, ellipsoid(x - 0.2, y - 0.2, z - 0.62, 0.3, 0.07, 0.10 + head.brow_ridge), 0.14
    )
    return smooth_max(d, -sphere(x - face.eye_x, y - face.eye_y, z - 0.95, 0.16), 0.14)


def nose(at: Place, face: Face) -> Tensor:
    """Bridge, back and wings of the nose."""
    _, x, y, z = at
    middle = (0.0, face.nose_y * 0.4, 0.82 + face.nose_hook)
    tip = (0.0, face.nose_y + face.nose_upturn, face.nose_forward - 0.1)
    d = capsule(x, y, z, (0.0, 0.12, 0.74), middle, face.nose_radius * 0.8, face.nose_radius)
    d = smooth_min(
        d, capsule(x, y, z, middle, tip, face.nose_radius, face.nose_radius + 0.025), 0.06
    )
    wing = ellipsoid(
        x - face.nose_width * 0.85,
        y - face.nose_y + 0.025,
        z - 0.84,
        face.nose_width * 0.6,
        0.065,
        0.09,
    )
    return smooth_min(d, wing, 0.05)


def ears(at: Place, head: Head) -> Tensor:
    """Flat ellipsoids with a hollow."""
    _, x, y, z = at
    outward = head.ear_outward
    tilted = z + 0.1 + (x - 0.8) * 0.6
    d = ellipsoid(
        x - head.width * 0.97 - outward * 0.5,
        y + 0.02,
        tilted,
        0.075 + outward * 0.4,
        head.ear,
        head.ear * 0.62,
    )
    hollow = ellipsoid(
        x - head.width - 0.09 - outward * 0.6,
        y + 0.02,
        z + 0.03,
        0.06,
        head.ear * 0.6,
        head.ear * 0.36,
    )
    return smooth_max(d, -hollow, 0.05)


def neck(at: Place, head: Head) -> Tensor:
    """A slightly widening column."""
    return capsule(
        at.x, at.y, at.z, (0.0, -0.5, -0.2), (0.0, -1.7, -0.32), head.neck, head.neck * 1.08
    )


def lips(at: Place, face: Face, expression: Expression) -> Tensor:
    """Upper and lower lip; they part by the expression's opening."""
    across = at.x.clamp(max=0.42)
    above, bend = mouth_y(at, face, expression), across * across * 1.05
    opening = expression.opening
    cupid = 0.16 * (0.09 - at.x).clamp(min=0)
    upper = ellipsoid(
        at.x,
        above - face.lip * 0.62 - opening * 0.4 + cupid,
        at.z - 0.742 + bend,
        face.mouth_width,
        face.lip * 0.80,
        0.065,
    )
    lower = ellipsoid(
        at.x,
        above + face.lip * 0.78 + opening * 1.5,
        at.z - 0.735 + bend,
        face.mouth_width * 0.86,
        face.lip * 1.02,
        0.075,
    )
    return smooth_min(upper, lower, 0.012) * 0.85


def open_mouth(at: Place, face: Face, expression: Expression) -> Tensor:
    """The volume that an open mouth takes out of the face; far away where the mouth is shut."""
    opening = expression.opening.clamp(min=0.012)
    hole = ellipsoid(
        at.x,
        mouth_y(at, face, expression) + opening * 0.5,
        at.z - 0.78,
        face.mouth_width * 0.80,
        opening * 1.15,
        0.24,
    )
    return hole * 0.85 + (expression.opening < 0.012) * 9.0


def eyeball(at: Place, face: Face) -> Tensor:
    """Both eyes."""
    return sphere(at.x - face.eye_x, at.y - face.eye_y, at.z - 0.66, face.eye_radius)


def lid_edges(at: Place, face: Face, expression: Expression) -> tuple[Tensor, Tensor]:
    """Height above the upper lid's edge and depth below the lower's; an almond lies between."""
    ex, ey, radius = at.x - face.eye_x, at.y - face.eye_y, face.eye_radius
    opening = face.eye_opening * (1 - expression.blink) + 0.02
    height = ey - face.eye_tilt * ex
    bulge = ex * ex / radius
    upper = height + 0.42 * bulge - radius * (opening * 1.2 - 0.38)
    lower = (
        -radius * (opening * 0.9 - 0.14 - 0.16 * expression.smile.clamp(min=0))
        - height
        + 0.34 * bulge
    )
    return upper, lower


def lids(at: Place, face: Face, expression: Expression) -> Tensor:
    """Shells about the eyeballs, above and below the almond."""
    shell = sphere(at.x - face.eye_x, at.y - face.eye_y, at.z - 0.66, face.eye_radius * 1.09)
    upper, lower = lid_edges(at, face, expression)
    return torch.minimum(smooth_max(shell, -upper, 0.015), smooth_max(shell, -lower, 0.015))


def closed_face(at: Place, puppet: Puppet) -> Tensor:
    """All skin, before the mouth is opened."""
    head, face, expression = puppet.identity.head, puppet.identity.face, puppet.expression
    d = smooth_min(skull(at, head, face), nose(at, face), 0.09)
    above = mouth_y(at, face, expression)
    d = smooth_min(
        d, ellipsoid(at.x, above, at.z - 0.60, face.mouth_width * 1.02, 0.17, 0.17), 0.12
    )
    d = smooth_min(d, ears(at, head), 0.06)
    d = smooth_min(d, neck(at, head), 0.14)
    d = smooth_min(d, lips(at, face, expression), 0.02)
    return smooth_min(d, torch.maximum(lids(at, face, expression), 0.15 - at.z), 0.03)
