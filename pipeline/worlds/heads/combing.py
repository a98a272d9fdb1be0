"""The directions in which styles are combed, over places in decimetres from the skull's middle."""

import numpy as np

from .factors import Hair, HairStyle
from .strands import Field
from .vectors import dots, lengths, unit

Array = np.ndarray
S = HairStyle
PARTED = (S.BOB, S.LONG, S.LONG_CURLY, S.FRINGE)
TIED = {S.PONYTAIL: (0.0, 0.55, -1.12), S.BUN: (0.0, 0.75, -0.95), S.BRAIDS: (0.45, -0.45, -0.7)}
"""Where hair is tied (braids: on both sides)."""


def comb(hair: Hair, roots: Array) -> Field:
    """The directions of a style for hair with these roots `[strand 3]`."""
    if hair.style == S.AFRO:
        return lambda place, share: unit(place)
    if hair.style in TIED:
        return _tied(hair)
    if hair.style in PARTED:
        return _parted(hair, roots)
    if hair.style == S.SIDE:
        return _side(hair)
    return _from_whorl(hair)


def is_fringe(hair: Hair, place: Array) -> Array:
    """Whether hair with these roots falls over the forehead."""
    front = (place[:, 2] > 0.30) & (place[:, 1] > 0.30) & (np.abs(place[:, 0]) < 0.56)
    return front & (hair.style == S.FRINGE)


def _from_whorl(hair: Hair) -> Field:
    """Away from the crown; in front forward, to a side or up, as the parting is."""
    whorl = np.array([0.1 * hair.parting, 0.95, -0.55], np.float32)
    side, rise = np.sign(hair.parting), abs(hair.parting)

    def field(place: Array, share: float) -> Array:
        want = _tangent(place, place - whorl)
        top = np.clip((place[:, 1] - 0.45) / 0.3, 0, 1) * np.clip((place[:, 2] + 0.3) / 0.5, 0, 1)
        swept = np.array([0.9 * side, 0.35 + 0.5 * rise, 0.35 - 0.9 * rise], np.float32)
        mixed = want * (1 - 0.85 * top)[:, None] + swept * (0.85 * top)[:, None]
        return mixed + np.array([0, -0.15, 0], np.float32) * (1 - top)[:, None]

    return field


def _side(hair: Hair) -> Field:
    """A parting on one side; the top goes to the other one and back."""
    side = 1.0 if hair.parting > 0 else -1.0
    line = -side * 0.38

    def field(place: Array, share: float) -> Array:
        over = np.tanh((place[:, 0] - line) * side * 8)
        top = np.clip((place[:, 1] - 0.35) / 0.4, 0, 1)
        back = -0.55 * np.ones(len(place))
        across = np.stack([over * side, 0.1 * np.ones(len(place)), back], 1)
        down = np.stack([0.0 * over, -np.ones(len(place)), -0.35 * np.ones(len(place))], 1)
        return _tangent(place, across * top[:, None] + down * (1 - top[:, None])).astype("f4")

    return field


def _parted(hair: Hair, roots: Array) -> Field:
    """From a parting to both sides, around the face and down; a fringe falls forward.

    The parting ends at the crown: behind it hair falls back.
    """
    line = 0.28 * hair.parting if abs(hair.parting) > 0.35 else 0.0
    before = np.clip((roots[:, 2] + 0.55) / 0.5, 0, 1)
    side = np.tanh((roots[:, 0] - line) / (0.02 + 0.35 * (1 - before))).astype(np.float32)
    fringe = is_fringe(hair, roots)

    def field(place: Array, share: float) -> Array:
        top = np.clip((place[:, 1] - 0.1) / 0.6, 0, 1)
        face = np.clip((place[:, 2] - 0.25) / 0.5, 0, 1) * (place[:, 1] < 0.75)
        narrow = np.clip(1.0 - np.abs(place[:, 0]) / 0.85, 0, 1)
        across = side * (0.25 * before + 0.9 * top + 2.2 * face * narrow)
        back = -0.30 * top - 1.1 * face - 0.6 * (1 - before) * top
        down = -0.25 - 1.0 * (1 - top)
        want = np.stack([across, down, back], 1)
        forward = np.stack([0.12 * place[:, 0], -0.55 + 0 * side, 0.9 - 0.6 * share + 0 * side], 1)
        want = np.where(fringe[:, None], forward, want)
        return _tangent(place, want, 0.6).astype("f4")

    return field


def _tied(hair: Hair) -> Field:
    tie = np.array(TIED[hair.style], np.float32)

    def field(place: Array, share: float) -> Array:
        goal = np.repeat(tie[None], len(place), 0)
        if hair.style == S.BRAIDS:
            goal[:, 0] = np.where(place[:, 0] > 0, tie[0], -tie[0])
        way = goal - place
        near = lengths(way)[:, None]
        return _tangent(place, way / (near + 1e-6), 0.85) * np.minimum(1, near * 4)

    return field


def _tangent(place: Array, want: Array, share: float = 0.9) -> Array:
    """Without (most of) what points into or out of the head."""
    outward = unit(place, 1e-6)
    want = want - share * dots(want, outward) * outward
    return unit(want, 1e-6).astype(np.float32)
