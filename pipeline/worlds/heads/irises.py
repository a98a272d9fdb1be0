"""How eyes are distributed: the iris' colours, and the white's ageing."""

import numpy as np

from .factors import Eyes, Physique, Skin
from .rows import Row

Array = np.ndarray

IRISES = {
    "dark brown": (0.030, 0.014, 0.007), "brown": (0.085, 0.038, 0.014),
    "hazel": (0.120, 0.082, 0.030), "amber": (0.150, 0.078, 0.018),
    "green": (0.090, 0.115, 0.060), "blue": (0.095, 0.150, 0.220), "grey": (0.150, 0.175, 0.190),
}  # fmt: skip
"""Linear albedos, chosen by eye."""
DARK = (0.64, 0.32, 0.025, 0.01, 0.003, 0.001, 0.001)
FAIR = (0.06, 0.24, 0.16, 0.04, 0.14, 0.24, 0.12)
"""Shares of the colours among people with dark skin or hair, and among fair people with light
hair. Brown is the most frequent of all; blue, green and grey are those of fair people.
"""


def draw_eyes(draws: Row, skin: Skin, natural: Array, physique: Physique) -> Eyes:
    """The eyes of a person.

    Args:
        draws: the identity's.
        skin: its tone decides with the hair how often eyes are light.
        natural: linear colour of the hair without grey and dye.
        physique: for the age.
    """
    fair = float(np.clip((4.0 - skin.tone) / 2.5, 0, 1)) * (
        0.35 + 0.65 * float(np.clip(natural.sum() / 0.25, 0, 1))
    )
    weights = [d + (f - d) * fair for d, f in zip(DARK, FAIR, strict=True)]
    name = list(IRISES)[draws.choice("iris", weights)]
    iris = np.array(IRISES[name], np.float32) * draws.uniform("iris brightness", 0.75, 1.35)
    warm = np.array([0.13, 0.072, 0.022], np.float32)
    ring = draws.uniform("collarette") * (0.8 if name not in ("dark brown", "brown") else 0.35)
    return Eyes(
        iris=iris,
        iris_rim=iris * draws.uniform("rim", 0.15, 0.45),
        iris_ring=(iris * (1 - ring) + 1.1 * warm * ring).astype(np.float32),
        iris_size=draws.uniform("iris size", 0.455, 0.505),
        pupil=draws.uniform("pupil", 0.26, 0.48),
        veins=draws.uniform("veins") ** 2,
        yellow=min(1.0, draws.uniform("yellow") * 0.35 + 0.035 * skin.tone
                   + 0.25 * max(0.0, (physique.age - 45) / 35)),
        seed=int(draws.uniform("eye seed") * 2**24),
    )  # fmt: skip
