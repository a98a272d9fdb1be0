"""The material of skin: a function of the place on the template, the person and the expression."""

import numpy as np

from .factors import Expression, Identity
from .material import Material, Surface
from .noise import fractal

LIPS, EYELIDS, EARS, INSIDE = range(4)
"""Columns of `Surface.masks`."""


def skin_material(surface: Surface, identity: Identity, expression: Expression) -> Material:
    """Skin, lips, brows, and the inside of the mouth."""
    skin = identity.skin
    material = Material.plain(surface, skin.albedo, 0.5, 0.028, 1.0)
    mottled = fractal(surface.rest * 6, skin.seed, 3)[:, None]
    albedo = material.albedo * (1 + 0.05 * mottled)
    lips = surface.masks[:, LIPS : LIPS + 1]
    albedo = albedo * (1 - lips) + skin.lip * lips
    inside = surface.masks[:, INSIDE : INSIDE + 1]
    albedo = albedo * (1 - inside) + np.array([0.28, 0.07, 0.06], np.float32) * inside
    brow = _brow(surface)[:, None] * skin.brow_density
    albedo = albedo * (1 - brow) + skin.brow * brow
    return Material(
        albedo.astype(np.float32),
        material.normal,
        material.roughness - 0.15 * lips[:, 0],
        material.specular,
        material.subsurface,
    )


def _brow(surface: Surface) -> np.ndarray:
    """Strength in [0, 1] of a brow's hair."""
    x, y, z = np.abs(surface.rest[:, 0]), surface.rest[:, 1], surface.rest[:, 2]
    place = (x - 0.10) / 0.38
    height = 7.415 + 0.065 * np.sin(np.clip(place, 0, 1) * 2.4)
    half = 0.034 * (1 - 0.55 * np.clip(place, 0, 1))
    inside = np.clip((half - np.abs(y - height)) / 0.012, 0, 1)
    return inside * ((place > 0) & (place < 1) & (z > 0.8)).astype(np.float32)
