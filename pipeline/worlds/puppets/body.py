"""The whole puppet as one signed distance, and the nearest part.

The functions are compiled, hence plain annotations.
"""

from enum import IntEnum

import torch
from torch import Tensor

from .accessories import beard_cover, clothes, earrings, glasses, hat, moustache
from .anatomy import HEAD_UNIT, Place, Points, closed_face, eyeball, mouth_y, open_mouth, to_head
from .factors import BeardKind, Puppet
from .hair import hair
from .presence import Presence
from .sdf import smooth_max, sphere

BOUND = 0.5
"""Everything is cut off at this distance from the origin, so that it fits the cube [-0.5, 0.5]³."""


class Part(IntEnum):
    """Semantic labels of pixels."""

    BACKGROUND, SKIN, EYE, MOUTH, HAIR, CLOTHES, HAT, GLASSES, LENS, JEWEL = range(10)


def parts(at: Place, puppet: Puppet, presence: Presence) -> list[tuple[Part, Tensor]]:
    """The distance to each part, in head units."""
    head, face, grown, outfit = (
        puppet.identity.head,
        puppet.identity.face,
        puppet.identity.hair,
        puppet.identity.outfit,
    )
    skin = closed_face(at, puppet)
    if presence.beard:
        cover = beard_cover(at, face, grown, mouth_y(at, face, puppet.expression))
        skin = skin - 0.045 * cover * (grown.beard >= BeardKind.FULL.value)
    hole = open_mouth(at, face, puppet.expression)
    found = [
        (Part.SKIN, smooth_max(skin, -hole, 0.02)),
        (Part.EYE, eyeball(at, face)),
        (Part.MOUTH, smooth_max(skin + 0.055, hole - 0.05, 0.01)),
        (Part.CLOTHES, clothes(at, head, outfit)),
        (Part.HAIR, hair(at, head, grown, presence)),
    ]
    if presence.moustache:
        found.append((Part.HAIR, moustache(at, face, grown)))
    if presence.hat:
        found.append((Part.HAT, hat(at, head, grown, outfit)))
    if presence.glasses:
        frame, lens = glasses(at, head, face, outfit)
        found += (
            [(Part.GLASSES, frame), (Part.LENS, lens)]
            if presence.lenses
            else [(Part.GLASSES, frame)]
        )
    if presence.earrings:
        found.append((Part.JEWEL, earrings(at, head, outfit)))
    return found


def distance(points: Points, puppet: Puppet, presence: Presence) -> Tensor:
    """Signed distance `[identity point]` of world points, in world units."""
    found = parts(to_head(points, puppet.identity.head), puppet, presence)
    d = found[0][1]
    for _, other in found[1:]:
        d = torch.minimum(d, other)
    d = d * (HEAD_UNIT * puppet.identity.head.size)
    return torch.maximum(d, sphere(*points, BOUND))


def nearest_part(at: Place, puppet: Puppet, presence: Presence) -> Tensor:
    """The number of the nearest Part, as floats `[identity point]`."""
    (first, d), *others = parts(at, puppet, presence)
    part = torch.full_like(d, float(first.value))
    for label, other in others:
        part = torch.where(other < d, label.value, part)
        d = torch.minimum(d, other)
    return part
