"""One view of a scene: what every sample sees, then what it is made of, then its light."""

from dataclasses import dataclass

import numpy as np

from . import clothes, eyes, skin
from .factors import Light
from .light import Illumination, environment_at, illumination, key_at, shade, tone_mapped
from .material import Material, Surface
from .part import Part
from .rasterizer import Buffer, Lens, draw_triangles, interpolate
from .scene import Scene

Array = np.ndarray


@dataclass(frozen=True)
class LitScene:
    """A scene and the light on it: what all views of it share."""

    scene: Scene
    light: Light
    illumination: Illumination
    environment: Array
    """`[vertex 6]`: irradiance and mean direction of the environment."""


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
    lights = illumination(light, mesh.vertices, mesh.triangles, mesh.cut, np.zeros((0, 3)))
    around, mean = environment_at(lights, mesh.vertices, scene.normals)
    return LitScene(scene, light, lights, np.concatenate([around, mean], 1))


def render(lit_scene: LitScene, lens: Lens) -> Samples:
    """One view."""
    scene, mesh = lit_scene.scene, lit_scene.scene.mesh
    buffer = Buffer.empty(lens.size)
    draw_triangles(buffer, lens.project(mesh.vertices), mesh.triangles, mesh.cut)
    hit = np.flatnonzero(buffer.index.ravel() >= 0)
    rows, weights = buffer.index.ravel()[hit], buffer.weights.reshape(-1, 2)[hit]
    values = np.concatenate(
        [mesh.vertices, scene.normals, mesh.rest, mesh.masks, lit_scene.environment], 1
    )
    found = interpolate(rows, weights, mesh.triangles, values)
    surface = _surface(found, lens)
    label = mesh.part[rows].astype(np.int64)
    color = np.zeros((len(hit), 3), np.float32)
    lit_share = key_at(lit_scene.illumination, surface.position, surface.normal)
    for part in np.unique(label):
        chosen = np.flatnonzero(label == part)
        some = _rows(surface, chosen)
        material = _material(Part(int(part)), some, scene)
        around = found[chosen, 13:16], found[chosen, 16:19]
        color[chosen] = shade(
            material, some.normal, some.view, around, lit_share[chosen], lit_scene.light,
            lit_scene.illumination,
        )  # fmt: skip
    depth = np.linalg.norm(surface.position - lens.position, axis=1)
    label = _finer(label, surface)
    size = lens.size
    return Samples(
        _filled(hit, tone_mapped(color, lit_scene.light.exposure), size),
        _filled(hit, surface.normal, size),
        _filled(hit, depth[:, None], size)[..., 0],
        _filled(hit, label[:, None], size)[..., 0],
    )


def _surface(found: Array, lens: Lens) -> Surface:
    position = found[:, :3]
    view = lens.position.astype(np.float32) - position
    distance = np.linalg.norm(view, axis=1, keepdims=True)
    view = view / distance
    normal = found[:, 3:6] / (np.linalg.norm(found[:, 3:6], axis=1, keepdims=True) + 1e-9)
    facing = (normal * view).sum(1, keepdims=True)
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
        return skin.skin_material(surface, identity, scene.person.expression)
    if part == Part.EYE:
        return eyes.eye_material(surface, scene.shape.eyes, identity)
    if part == Part.LASHES:
        return eyes.lash_material(surface, identity)
    if part == Part.TEETH:
        return eyes.tooth_material(surface)
    if part == Part.MOUTH:
        return eyes.tongue_material(surface)
    if part == Part.CLOTHES:
        return clothes.clothes_material(surface, identity.outfit)
    raise ValueError(f"no material for {part}")


def _finer(label: Array, surface: Surface) -> Array:
    """Skin as face, ears, neck and inside of the mouth."""
    is_skin = label == Part.SKIN
    label = np.where(is_skin & (surface.masks[:, skin.EARS] > 0.5), int(Part.EAR), label)
    label = np.where(is_skin & (surface.masks[:, skin.INSIDE] > 0.5), int(Part.MOUTH), label)
    _, y, z = surface.rest.T
    below = y < 6.16 + 0.62 * np.clip((0.95 - z) / 0.9, 0, 1)
    return np.where(is_skin & below, int(Part.NECK), label)


def _filled(hit: Array, values: Array, size: int) -> Array:
    out = np.zeros((size * size, values.shape[1]), np.float32)
    out[hit] = values
    return out.reshape(size, size, -1)
