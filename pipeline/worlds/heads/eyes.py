"""The materials of eyeballs, lashes, teeth and tongue."""

import numpy as np

from .factors import Identity
from .material import Material, Surface
from .shape import EyeBall

WHITE = np.array([0.70, 0.66, 0.63], np.float32)


def eye_material(surface: Surface, eyes: tuple[EyeBall, EyeBall], identity: Identity) -> Material:
    """Sclera, iris and pupil; each sample belongs to the nearer eyeball."""
    look = identity.eyes
    centers = np.stack([eye.center for eye in eyes])
    side = (
        np.linalg.norm(surface.position - centers[0], axis=1)
        > np.linalg.norm(surface.position - centers[1], axis=1)
    ).astype(int)
    gaze = np.stack([eye.gaze for eye in eyes])[side]
    outward = surface.position - centers[side]
    outward = outward / np.linalg.norm(outward, axis=1, keepdims=True)
    radius = np.sqrt(np.clip(1 - (outward * gaze).sum(1) ** 2, 0, 1))
    front = (outward * gaze).sum(1) > 0
    place = radius / look.iris_size
    albedo = np.repeat(WHITE[None], len(surface), 0)
    iris = ((place < 1) & front)[:, None]
    albedo = np.where(iris, np.where(place[:, None] < 0.85, look.iris, look.iris_rim), albedo)
    albedo = np.where(iris & (place < look.pupil)[:, None], np.float32(0.004), albedo)
    return Material.plain(surface, albedo, 0.12, 0.03, 0.1)


def lash_material(surface: Surface, identity: Identity) -> Material:
    """Eyelashes."""
    return Material.plain(surface, np.array([0.012, 0.009, 0.008]), 0.6, 0.02)


def tooth_material(surface: Surface) -> Material:
    """Teeth."""
    return Material.plain(surface, np.array([0.62, 0.56, 0.46]), 0.25, 0.04, 0.4)


def tongue_material(surface: Surface) -> Material:
    """The tongue."""
    return Material.plain(surface, np.array([0.36, 0.12, 0.11]), 0.35, 0.03, 0.6)
