"""The material of skin: a function of the place on the template, the person and the expression.

Colour is absorption: the logarithm of the albedo is the tone's plus densities of blood and melanin
times their spectra, as in Tsumura et al. (2003); what lies on the skin (lips, hair, make-up)
covers it.
"""

import numpy as np

from . import brows, lips, make_up, stubble
from .creases import crease_weights, creases
from .face_zones import Zone, zones
from .factors import Expression, Identity, Skin
from .material import Material, Surface
from .noise import fractal, noise
from .spots import freckles, moles
from .vectors import dots, unit

Array = np.ndarray

LIPS, EYELIDS, EARS, INSIDE = range(4)
"""Columns of `Surface.masks`."""

BLOOD = np.array([-0.06, -0.50, -0.42], np.float32)
MELANIN = np.array([-0.55, -0.85, -1.05], np.float32)
"""Logarithms of the linear RGB that a density of 1 lets through."""
MEAN_BLOOD = 0.13
"""What the tones' albedos already contain."""
FINE = 0.014
"""Decimetres: of samples that show half the finest mottling."""
PORES = 0.011
"""Decimetres between pores."""


def skin_material(surface: Surface, identity: Identity, expression: Expression) -> Material:
    """Skin, lips, brows, stubble and make-up, and the inside of the mouth."""
    skin = identity.skin
    rest = _own_places(surface.rest, skin.seed)
    zone = zones(rest)
    footprint = float(np.median(surface.footprint)) if len(surface) else 1.0
    groove = creases(rest, crease_weights(skin, expression), footprint)
    albedo = _bare(surface, rest, zone, groove[:, 0], skin, footprint)
    albedo = make_up.powdered(albedo, rest, zone, skin)
    slope = np.concatenate([groove[:, 1:], np.zeros((len(groove), 1), np.float32)], 1)
    dark = skin.tone / 9
    roughness = 0.53 - 0.03 * dark - (0.05 + 0.12 * skin.oil) * zone[:, Zone.SHEEN]
    roughness += 0.05 * fractal(rest * 9, skin.seed + 6, 1)
    _add_pores(slope, roughness, rest, footprint, skin)

    lip = lips.lips(surface, surface.masks[:, LIPS], skin, footprint)
    albedo = albedo + lip.cover[:, None] * (lip.color - albedo)
    slope = slope + lip.slope
    roughness = roughness + lip.cover * (lip.roughness - roughness)
    whisker = stubble.cover(rest, zone, identity, footprint) * (1 - lip.cover)
    albedo = albedo + whisker[:, None] * (skin.whiskers - albedo)
    brow = brows.cover(surface.rest, skin, footprint)
    albedo = albedo + brow[:, None] * (skin.brow - albedo)
    albedo = make_up.painted(albedo, surface, skin)
    haired = np.maximum(whisker, brow)
    roughness = roughness + 0.12 * haired

    inside = surface.masks[:, INSIDE] > 0.5
    if inside.any():
        albedo[inside] = _gums(surface.rest[inside])
        roughness[inside] = 0.3
        slope[inside] = 0
    return Material(
        albedo.astype(np.float32),
        _tilted(surface.normal, slope),
        roughness.astype(np.float32),
        (0.028 * (1 - 0.3 * dark) * (1 - 0.7 * haired)).astype(np.float32),
        (1 - 0.6 * haired).astype(np.float32),
    )


def _own_places(rest: Array, seed: int) -> Array:
    """Places that are shifted smoothly by some hundredths, so that no two faces have the same
    lines and no face is symmetric.
    """
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 6).astype(np.float32)
    x, y = rest[:, 0], rest[:, 1]
    moved = rest.astype(np.float32).copy()
    moved[:, 0] += 0.012 * np.sin(7.3 * y + phase[0]) + 0.008 * np.sin(13.0 * x + phase[1])
    moved[:, 1] += 0.014 * np.sin(8.1 * x + phase[2]) + 0.007 * np.sin(17.0 * x + phase[3])
    moved[:, 1] += 0.006 * np.sin(11.0 * y + phase[4])
    return moved


def _bare(
    surface: Surface, rest: Array, zone: Array, groove: Array, skin: Skin, footprint: float
) -> Array:
    """Linear albedo of skin: the tone, blood and melanin."""
    evenness = 1 - 0.65 * skin.foundation
    broad = fractal(rest * 3.1, skin.seed, 2)
    fine = fractal(rest * 15, skin.seed + 1, 2 if footprint < FINE else 1)
    ears = surface.masks[:, EARS]
    flush = zone[:, Zone.FLUSH] * (0.75 + 0.35 * broad) + 0.55 * ears
    blood = (0.10 + 0.56 * skin.redness * flush) * evenness - MEAN_BLOOD
    blood += (0.12 * fine + 0.09 * broad) * evenness - 0.3 * groove
    blood = blood * (1 - 0.05 * skin.tone)
    around = zone[:, Zone.SOCKET] * 0.5 + zone[:, Zone.TROUGH]
    dark = (0.12 + 0.28 * skin.circles) * around + 0.16 * zone[:, Zone.LID]
    melanin = dark * evenness + (0.055 * broad + 0.06 * fine) * evenness
    melanin -= 0.05 * zone[:, Zone.PALE] + 0.35 * groove
    if skin.freckles > 0:
        melanin += freckles(rest, skin, footprint) * zone[:, Zone.FRECKLES] * evenness
    density = blood[:, None] * BLOOD + melanin[:, None] * MELANIN
    density += (moles(surface.rest, skin, footprint))[:, None] * MELANIN
    return skin.albedo * np.exp(density.astype(np.float32))


def _add_pores(slope: Array, roughness: Array, rest: Array, footprint: float, skin: Skin) -> None:
    """Fine bumps where samples are fine enough to show them."""
    strength = float(np.clip(PORES / footprint - 1.0, 0, 1)) * (0.05 + 0.03 * skin.oil)
    if strength <= 0:
        return
    at, step = rest / PORES, np.float32(0.3)
    here = noise(at, skin.seed + 2)
    for axis in range(3):
        moved = at.copy()
        moved[:, axis] += step
        slope[:, axis] += strength * (noise(moved, skin.seed + 2) - here) / step
    roughness += 0.05 * here * min(1.0, strength * 20)


def _gums(rest: Array) -> Array:
    """Pink in front, darker towards the throat."""
    depth = np.clip((rest[:, 2:] - 0.75) / 0.65, 0, 1) ** 1.5
    return np.array([0.42, 0.125, 0.115], np.float32) * (0.16 + 0.84 * depth)


def _tilted(normal: Array, slope: Array) -> Array:
    """Normals of a surface that is raised by a height with this gradient."""
    rows = np.flatnonzero(np.abs(slope).max(1) > 1e-4)
    some, slope = normal[rows], slope[rows]
    bent = some - slope + some * dots(slope, some)
    tilted = normal.astype(np.float32)
    tilted[rows] = unit(bent)
    return tilted
