"""Semantic labels."""

from enum import IntEnum


class Part(IntEnum):
    """Semantic labels of pixels; the first ten are the puppets'."""

    BACKGROUND, SKIN, EYE, MOUTH, HAIR, CLOTHES, HAT, GLASSES, LENS, JEWEL = range(10)
    EAR, NECK, TEETH, LASHES, MASK = range(10, 15)
