"""Clothes: the torso's skin, lifted, below a collar's line."""

from functools import cache

import numpy as np

from .factors import CollarKind, Outfit, PatternKind
from .material import Material, Surface
from .mesh import Mesh
from .noise import fractal
from .part import Part
from .rasterizer import vertex_normals
from .shape import HeadShape
from .template import template

Array = np.ndarray
THICKNESS = 0.05
"""Decimetres from the skin."""


@cache
def _torso() -> tuple[Array, Array]:
    """Vertices and triangles of the template that clothes may cover."""
    base = template()
    skin = base.triangles[base.part == Part.SKIN]
    chosen = skin[(base.base[skin][..., 1] < 6.25).any(1) & (base.inside[skin] < 0.5).all(1)]
    rows = np.unique(chosen)
    number = np.zeros(len(base.base), np.int32)
    number[rows] = np.arange(len(rows))
    return rows, number[chosen]


def clothes_mesh(shape: HeadShape, outfit: Outfit) -> Mesh:
    """The torso's surface, offset."""
    rows, triangles = _torso()
    rest, vertices = template().base[rows], shape.vertices[rows]
    normals = vertex_normals(vertices, triangles)
    below = _collar_height(rest, outfit.collar) - rest[:, 1]
    lift = THICKNESS * np.clip(0.25 + below / 0.12, 0.25, 1.6)
    return Mesh.of(
        vertices + normals * (lift * shape.frame.scale)[:, None], triangles, Part.CLOTHES, rest,
        below,
    )  # fmt: skip


def _collar_height(rest: Array, collar: CollarKind) -> Array:
    """The collar's line, decimetres, over the template."""
    x, z = rest[:, 0], rest[:, 2]
    front = np.clip((z + 0.1) / 0.9, 0, 1)
    if collar == CollarKind.HIGH:
        return 5.95 - 0.18 * front
    if collar == CollarKind.WIDE:
        return 5.62 - 0.35 * front + 0.05 * np.abs(x)
    if collar == CollarKind.VEE:
        return 5.78 - np.maximum(0.62 - 0.75 * np.abs(x), 0) * front - 0.12 * front
    return 5.76 - 0.30 * front


def clothes_material(surface: Surface, outfit: Outfit) -> Material:
    """Cloth with its pattern, folds and weave."""
    x, y, z = surface.rest.T
    color = np.repeat(outfit.cloth[None], len(surface), 0)
    if outfit.pattern == PatternKind.STRIPES:
        stripe = (np.sin(y * 38) > 0.2)[:, None]
        color = np.where(stripe, outfit.trim, color)
    elif outfit.pattern == PatternKind.CHECKS:
        lines = (np.sin(y * 24) > 0.5).astype(int) + (np.sin(x * 24) > 0.5)
        color = color * (1 - lines[:, None] / 2) + outfit.trim * lines[:, None] / 2
    elif outfit.pattern == PatternKind.KNIT:
        fade = np.clip(0.05 / np.maximum(surface.footprint, 1e-4) - 0.5, 0, 1)
        rib = np.sin(np.arctan2(x, z) * 160) * np.sin(y * 90)
        color = color * (1 + 0.25 * (rib * fade)[:, None])
    folds = fractal(surface.rest * np.array([2.2, 1.2, 2.2], np.float32), outfit.seed, 3)
    color = np.clip(color * (1 + 0.16 * folds[:, None]), 0, 1) * 0.85
    return Material.plain(surface, color, 0.85, 0.02)
