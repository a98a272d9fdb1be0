"""One view of a scene: what every sample sees, then what it is made of, then its light."""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from . import accessories, clothes, eyes, hair, skin
from .exposure import metered, tone_mapped
from .factors import BeardKind, GlassesKind, Light
from .light import Illumination, environment_at, illumination, key_at, radiance
from .material import Material, Surface
from .mesh import Mesh
from .part import Part
from .rasterizer import (
    Buffer,
    Lens,
    draw_strands,
    draw_triangles,
    interpolate,
)
from .scene import Scene
from .shading import shade
from .strand_light import strand_samples
from .vectors import dots, lengths, unit

Array = np.ndarray
CASTS_SHADOW = ~np.isin(list(Part), [Part.EYE, Part.TEETH, Part.MOUTH, Part.LASHES])
"""By part: these are inside the head, or thin."""
SKIN_SOFTNESS, MOUTH_SOFTNESS, EYE_SOFTNESS = 0.008, 0.2, 0.06
"""World units."""
WITHIN = {Part.TEETH: MOUTH_SOFTNESS, Part.MOUTH: MOUTH_SOFTNESS, Part.EYE: EYE_SOFTNESS}
Spans = dict[Part, slice]
"""Samples of each part, which lie side by side."""


@dataclass(frozen=True)
class LitScene:
    """A scene and the light on it: what all views of it share.

    Attributes:
        scene: the person.
        light: the light.
        illumination: its directions.
    """

    scene: Scene
    light: Light
    illumination: Illumination


@dataclass(frozen=True)
class Samples:
    """What the samples of one view see; zeros where they hit nothing.

    Attributes:
        color: sRGB in [0, 1], `[size size 3]`.
        normal: `[size size 3]`.
        depth: distance from the camera, `[size size]`.
        part: `[size size]`.
    """

    color: Array
    normal: Array
    depth: Array
    part: Array


def lit(scene: Scene, light: Light) -> LitScene:
    """Lights a scene."""
    mesh = scene.mesh
    solid = mesh.triangles[CASTS_SHADOW[mesh.part]]
    lights = illumination(light, mesh.vertices, solid, mesh.cut, scene.strand_points()[::2])
    return LitScene(scene, light, lights)


def _environment(scene: Scene, lights: Illumination, corners: Array, spans: Spans) -> Array:
    """`[vertex 6]`: irradiance and mean direction of the environment at the corners `[sample 3]` of
    triangles; elsewhere 0.
    """
    mesh, softness = scene.mesh, np.zeros(len(scene.mesh.vertices), np.float32)
    softness[corners] = SKIN_SOFTNESS
    # An eyeball's vertices under the lids would darken what is seen between them.
    for part, soft in WITHIN.items():
        softness[corners[spans.get(part, slice(0))]] = soft
    found = np.zeros((len(softness), 6), np.float32)
    for soft in (SKIN_SOFTNESS, MOUTH_SOFTNESS, EYE_SOFTNESS):
        rows = np.flatnonzero(softness == np.float32(soft))
        found[rows, :3], found[rows, 3:] = environment_at(
            lights, mesh.vertices[rows], scene.normals[rows], soft
        )
    return found


def render(lit_scene: LitScene, lens: Lens) -> Samples:
    """One view."""
    scene, mesh = lit_scene.scene, lit_scene.scene.mesh
    buffer = Buffer.empty(lens.size)
    draw_triangles(buffer, lens.project(mesh.vertices), mesh.triangles, mesh.cut)
    first = [len(mesh.triangles)]
    pieces = [group.pieces() for group in scene.hair]
    for group, starts in zip(scene.hair, pieces, strict=True):
        projected = lens.project(group.points.reshape(-1, 3))
        widths = (group.width.ravel() * lens.focal).astype(np.float32)
        draw_strands(buffer, projected, starts, widths, first[-1])
        first.append(first[-1] + len(starts))
    canvas = np.zeros((lens.size**2, 8), np.float32)
    index, weights = buffer.index.ravel(), buffer.weights.reshape(-1, 2)
    hit = np.flatnonzero((index >= 0) & (index < first[0]))
    hit = hit[np.argsort(mesh.part[index[hit]], kind="stable")]
    canvas[hit] = _mesh_samples(lit_scene, lens, index[hit], weights[hit])
    for starts, group, start, end in zip(pieces, scene.hair, first[:-1], first[1:], strict=True):
        hit = np.flatnonzero((index >= start) & (index < end))
        piece = starts[index[hit] - start]
        found = strand_samples(
            group, piece, weights[hit, 0], scene.skull.middle, lit_scene.illumination
        )
        canvas[hit] = _hair_samples(lit_scene, lens, found)
    if scene.lenses is not None:
        _glaze(lit_scene, scene.lenses, lens, buffer, canvas)
    exposure = metered(lit_scene.light.exposure, scene.person.identity.skin.albedo)
    seen = np.flatnonzero(canvas[:, 7])
    canvas[seen, :3] = tone_mapped(canvas[seen, :3], exposure)
    grid = canvas.reshape(lens.size, lens.size, 8)
    return Samples(grid[..., :3], grid[..., 3:6], grid[..., 6], grid[..., 7])


def _mesh_samples(lit_scene: LitScene, lens: Lens, rows: Array, weights: Array) -> Array:
    """`[sample 8]`: linear colour, normal, depth, part.

    Args:
        lit_scene: the scene.
        lens: the camera.
        rows: `[sample]`: triangles, sorted by their parts.
        weights: `[sample 2]`: of their second and third corners.
    """
    scene, mesh = lit_scene.scene, lit_scene.scene.mesh
    lights = lit_scene.illumination
    ends = np.cumsum(np.bincount(mesh.part[rows], minlength=1))
    spans = {
        Part(number): slice(start, end)
        for number, (start, end) in enumerate(pairwise((0, *ends.tolist())))
        if end > start
    }
    environment = _environment(scene, lights, mesh.triangles[rows], spans)
    values = np.concatenate([mesh.vertices, scene.normals, mesh.rest, mesh.masks, environment], 1)
    found = interpolate(rows, weights, mesh.triangles, values)
    surface, around = _surface(found, lens), found[:, 13:19].copy()
    out = np.empty((len(rows), 8), np.float32)
    out[:, 3:6], out[:, 6] = surface.normal, lengths(surface.position - lens.position)
    lit_share = key_at(lights, surface.position, surface.normal)
    for part, span in spans.items():
        some, label, share = surface[span], out[span, 7], lit_share[span]
        if part in WITHIN:
            softness = EYE_SOFTNESS / 3 if part == Part.EYE else WITHIN[part]
            share = key_at(lights, some.position, some.normal, softness)
        label[:] = part
        if part == Part.SKIN:
            cover = hair.scalp_cover(some.rest, scene.person.identity.hair)
            material = _skin(some, scene, cover)
            _name_skin(label, some, cover)
        else:
            material = _material(part, some, scene)
        color = shade(
            material, some.normal, some.view, around[span], share, lit_scene.light, lights
        )
        if part == Part.EYE:
            power = lights.power[lights.key].sum(0)
            color += eyes.catch_lights(material, some, lit_scene.light, power)
        out[span, :3] = color
    return out


def _glaze(lit_scene: LitScene, glass: Mesh, lens: Lens, buffer: Buffer, canvas: Array) -> None:
    """Draws the lenses of glasses over what is behind them. Dark ones have their own depth."""
    over = Buffer.empty(lens.size)
    draw_triangles(over, lens.project(glass.vertices), glass.triangles, glass.cut)
    kind = lit_scene.scene.person.identity.outfit.glasses
    before = over.nearness > buffer.nearness
    if kind != GlassesKind.SUN:
        before &= buffer.index >= 0
    hit = np.flatnonzero(before.ravel())
    rows, weights = over.index.ravel()[hit], over.weights.reshape(-1, 2)[hit]
    found = interpolate(
        rows, weights, glass.triangles, np.concatenate([glass.vertices, glass.normals()], 1)
    )
    away = found[:, :3] - lens.position
    depth = lengths(away)[:, None]
    view, normal = -away / depth, unit(found[:, 3:])
    cosine = dots(view, normal)
    normal, cosine = np.where(cosine < 0, -normal, normal), np.abs(cosine)
    mirrored = radiance(lit_scene.light, 2 * cosine * normal - view)
    behind = canvas[hit, :3]
    canvas[hit, :3] = accessories.through_lens(behind, mirrored, cosine[:, 0], kind)
    if kind == GlassesKind.SUN:
        label = np.full((len(hit), 1), float(Part.LENS))
        canvas[hit, 3:] = np.concatenate([normal, depth, label], 1)


def _hair_samples(lit_scene: LitScene, lens: Lens, found: Array) -> Array:
    """`[sample 8]` of strands."""
    away = found[:, :3] - lens.position
    depth = lengths(away)[:, None]
    tangent, normal = found[:, 3:6], found[:, 6:9]
    lights = lit_scene.illumination
    color = hair.strand_color(
        found[:, 9:12], tangent, -away / depth, normal, lit_scene.light.lobes[0].direction,
        lights.power[lights.key].sum(0), found[:, 15], found[:, 12:15],
    )  # fmt: skip
    label = np.full((len(found), 1), float(Part.HAIR))
    return np.concatenate([color, normal, depth, label], 1)


def _surface(found: Array, lens: Lens) -> Surface:
    position = found[:, :3].copy()
    view = lens.position.astype(np.float32) - position
    distance = lengths(view)[:, None]
    view = view / distance
    normal = unit(found[:, 3:6], 1e-9)
    facing = dots(normal, view)
    normal = np.where(facing < 0, normal - 2 * facing * view, normal)
    footprint = distance[:, 0] / np.float32(lens.focal) / 0.25
    return Surface(position, normal, view, found[:, 6:9].copy(), found[:, 9:13].copy(), footprint)


def _material(part: Part, surface: Surface, scene: Scene) -> Material:
    """Of all parts but skin."""
    identity = scene.person.identity
    if part == Part.EYE:
        return eyes.eye_material(surface, scene.shape, identity)
    if part == Part.TEETH:
        return eyes.tooth_material(surface)
    if part == Part.MOUTH:
        return eyes.tongue_material(surface)
    if part == Part.CLOTHES:
        return clothes.clothes_material(surface, identity.outfit)
    return accessories.accessory_material(part, surface, identity.outfit)


def _skin(surface: Surface, scene: Scene, cover: Array) -> Material:
    """Skin; where hair hides it, it is dark.

    Args:
        surface: its samples.
        scene: the person's.
        cover: of `hair.scalp_cover`.
    """
    identity = scene.person.identity
    material, grown = skin.skin_material(surface, identity, scene.person.expression), identity.hair
    if grown.beard != BeardKind.NONE:
        beard = hair.beard_cover(surface.rest, grown) * (surface.masks[:, skin.LIPS] < 0.3)
        cover = np.maximum(cover, 0.55 * beard)
    share = cover[:, None]
    albedo = material.albedo * (1 - share) + grown.mean_color * 0.7 * share
    return replace(
        material,
        albedo=albedo.astype(np.float32),
        specular=material.specular * (1 - 0.8 * cover),
        subsurface=material.subsurface * (1 - cover),
    )


def _name_skin(label: Array, surface: Surface, cover: Array) -> None:
    """Skin as face, ears, neck, inside of the mouth, and what hair covers."""
    _, y, z = surface.rest.T
    label[surface.masks[:, skin.EARS] > 0.5] = Part.EAR
    label[surface.masks[:, skin.INSIDE] > 0.5] = Part.MOUTH
    label[y < 6.16 + 0.62 * np.clip((0.95 - z) / 0.9, 0, 1)] = Part.NECK
    label[cover > 0.5] = Part.HAIR
