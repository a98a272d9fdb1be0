"""One view of a scene: what every sample sees, then what it is made of, then its light."""

from dataclasses import dataclass, replace

import numpy as np

from . import accessories, clothes, eyes, hair, skin
from .exposure import metered, tone_mapped
from .factors import BeardKind, GlassesKind, Hair, Light
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
NO_SHADOW = [int(part) for part in (Part.EYE, Part.TEETH, Part.MOUTH, Part.LASHES)]
"""Parts that are inside the head, or thin."""
WITHIN = [int(Part.TEETH), int(Part.MOUTH)]
SKIN_SOFTNESS, MOUTH_SOFTNESS, EYE_SOFTNESS = 0.008, 0.2, 0.06
"""World units."""


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
    solid = mesh.triangles[~np.isin(mesh.part, NO_SHADOW)]
    lights = illumination(light, mesh.vertices, solid, mesh.cut, scene.strand_points()[::2])
    return LitScene(scene, light, lights)


def _environment(scene: Scene, lights: Illumination, triangles: Array) -> Array:
    """`[vertex 6]`: irradiance and mean direction of the environment at the triangles' corners;
    elsewhere 0.
    """
    mesh, softness = scene.mesh, np.zeros(len(scene.mesh.vertices), np.float32)
    softness[mesh.triangles[triangles]] = SKIN_SOFTNESS
    # An eyeball's vertices under the lids would darken what is seen between them.
    for parts, soft in ((WITHIN, MOUTH_SOFTNESS), ([int(Part.EYE)], EYE_SOFTNESS)):
        softness[mesh.triangles[triangles[np.isin(mesh.part[triangles], parts)]]] = soft
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
    """`[sample 8]`: linear colour, normal, depth, part."""
    scene, mesh = lit_scene.scene, lit_scene.scene.mesh
    lights = lit_scene.illumination
    environment = _environment(scene, lights, rows)
    values = np.concatenate([mesh.vertices, scene.normals, mesh.rest, mesh.masks, environment], 1)
    found = interpolate(rows, weights, mesh.triangles, values)
    surface = _surface(found, lens)
    label = mesh.part[rows].astype(np.int64)
    color = np.zeros((len(rows), 3), np.float32)
    lit_share = key_at(lights, surface.position, surface.normal)
    for parts, softness in ((WITHIN, MOUTH_SOFTNESS), ([int(Part.EYE)], EYE_SOFTNESS / 3)):
        rows = np.flatnonzero(np.isin(label, parts))
        lit_share[rows] = key_at(lights, surface.position[rows], surface.normal[rows], softness)
    for part in np.unique(label):
        chosen = np.flatnonzero(label == part)
        some = _rows(surface, chosen)
        material = _material(Part(int(part)), some, scene)
        around = found[chosen, 13:19]
        color[chosen] = shade(
            material, some.normal, some.view, around, lit_share[chosen], lit_scene.light, lights
        )
        if part == Part.EYE:
            power = lights.power[lights.key].sum(0)
            color[chosen] += eyes.catch_lights(material, some, lit_scene.light, power)
    depth = lengths(surface.position - lens.position)
    label = _finer(label, surface, scene)
    return np.concatenate([color, surface.normal, depth[:, None], label[:, None]], 1)


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
    position = found[:, :3]
    view = lens.position.astype(np.float32) - position
    distance = lengths(view)[:, None]
    view = view / distance
    normal = unit(found[:, 3:6], 1e-9)
    facing = dots(normal, view)
    normal = np.where(facing < 0, normal - 2 * facing * view, normal)
    footprint = distance[:, 0] / np.float32(lens.focal) / 0.25
    return Surface(position, normal, view, found[:, 6:9], found[:, 9:13], footprint)


def _rows(surface: Surface, chosen: Array) -> Surface:
    return Surface(
        surface.position[chosen], surface.normal[chosen], surface.view[chosen],
        surface.rest[chosen], surface.masks[chosen], surface.footprint[chosen],
    )  # fmt: skip


def _material(part: Part, surface: Surface, scene: Scene) -> Material:
    identity = scene.person.identity
    if part == Part.SKIN:
        found = skin.skin_material(surface, identity, scene.person.expression)
        return _under_hair(found, surface, identity.hair)
    if part == Part.EYE:
        return eyes.eye_material(surface, scene.shape, identity)
    if part == Part.TEETH:
        return eyes.tooth_material(surface)
    if part == Part.MOUTH:
        return eyes.tongue_material(surface)
    if part == Part.CLOTHES:
        return clothes.clothes_material(surface, identity.outfit)
    return accessories.accessory_material(part, surface, identity.outfit)


def _under_hair(material: Material, surface: Surface, grown: Hair) -> Material:
    """Skin that hair hides is dark."""
    cover = hair.scalp_cover(surface.rest, grown)
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


def _finer(label: Array, surface: Surface, scene: Scene) -> Array:
    """Skin as face, ears, neck, inside of the mouth, and what hair covers."""
    is_skin = label == Part.SKIN
    label = np.where(is_skin & (surface.masks[:, skin.EARS] > 0.5), int(Part.EAR), label)
    label = np.where(is_skin & (surface.masks[:, skin.INSIDE] > 0.5), int(Part.MOUTH), label)
    _, y, z = surface.rest.T
    below = y < 6.16 + 0.62 * np.clip((0.95 - z) / 0.9, 0, 1)
    label = np.where(is_skin & below, int(Part.NECK), label)
    covered = hair.scalp_cover(surface.rest, scene.person.identity.hair) > 0.5
    return np.where(is_skin & covered, int(Part.HAIR), label)
