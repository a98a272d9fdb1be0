"""The rasteriser against a slow ray caster that shares no code with it: every ray is intersected
with every triangle (Möller and Trumbore 1997), in double precision.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

pytest.importorskip("anny")

from pipeline.worlds.heads.distributions import draw_identity
from pipeline.worlds.heads.expressions import draw_expression
from pipeline.worlds.heads.factors import BeardKind, GlassesKind, HairStyle, HatKind, Person
from pipeline.worlds.heads.light import draw_light
from pipeline.worlds.heads.part import Part
from pipeline.worlds.heads.rendering import lit, render
from pipeline.worlds.heads.scene import Scene, scene_of
from pipeline.worlds.heads.world import lens_of
from teachers.rendering.camera import Camera

SIDE = 24
OF_SKIN = [int(part) for part in (Part.SKIN, Part.EAR, Part.NECK, Part.MOUTH)]
"""What pictures call parts of the skin."""


@dataclass(frozen=True)
class Hit:
    """What rays see: distance (inf: nothing), unit normal towards the camera, part (0: nothing)."""

    depth: np.ndarray
    normal: np.ndarray
    part: np.ndarray


def cast(scene: Scene, origin: np.ndarray, directions: np.ndarray) -> Hit:
    """The first surface along each ray of a pinhole camera."""
    mesh = scene.mesh
    first, second, third = mesh.vertices.astype(float)[mesh.triangles].swapaxes(0, 1)
    along, across, start = second - first, third - first, origin - first
    cut, normals = mesh.cut.astype(float)[mesh.triangles], vertex_normals(mesh)[mesh.triangles]
    count = len(directions)
    depth, normal, part = np.full(count, np.inf), np.zeros((count, 3)), np.zeros(count, int)
    for rows in np.array_split(np.arange(count), count // 32):
        rays = directions[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = 1 / (rays @ np.cross(across, along).T)
            u = (rays @ np.cross(across, start).T) * inverse
            v = (rays @ np.cross(start, along).T) * inverse
            t = (across * np.cross(start, along)).sum(1) * inverse
            w = 1 - u - v
            kept = cut[:, 0] * w + cut[:, 1] * u + cut[:, 2] * v
            is_hit = (u >= 0) & (v >= 0) & (w >= 0) & (t > 0) & (kept >= 0)
        t = np.where(is_hit, t, np.inf)
        for i, row in enumerate(rows):
            k = t[i].argmin()
            if np.isinf(t[i, k]):
                continue
            depth[row], part[row] = t[i, k], mesh.part[k]
            normal[row] = towards(
                np.array([w[i, k], u[i, k], v[i, k]]) @ normals[k], -directions[row]
            )
    return Hit(depth, normal, part)


def towards(normal: np.ndarray, view: np.ndarray) -> np.ndarray:
    """A unit normal; one that looks away is mirrored, so that it looks as much to the camera."""
    normal = normal / np.linalg.norm(normal)
    return normal - 2 * min(normal @ view, 0.0) * view


def vertex_normals(mesh) -> np.ndarray:
    a, b, c = mesh.vertices.astype(float)[mesh.triangles].swapaxes(0, 1)
    found = np.zeros(mesh.vertices.shape)
    for corner in mesh.triangles.T:
        np.add.at(found, corner, np.cross(b - a, c - a))
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("seed, yaw, pitch", [(4, 0.0, 0.0), (16, 0.5, -0.2)])
def test_depth_normals_and_parts_are_those_of_a_slow_ray_caster(seed, yaw, pitch):
    who = draw_identity(seed)
    hair = replace(who.hair, style=HairStyle.BALD, beard=BeardKind.NONE)
    outfit = replace(who.outfit, hat=HatKind.NONE, glasses=GlassesKind.ROUND, mask=0.0)
    who = replace(who, hair=hair, outfit=outfit)
    scene = replace(scene_of(Person(who, draw_expression(seed, seed))), hair=[], lenses=None)
    camera = Camera.orbit(torch.tensor([yaw]), torch.tensor([pitch]))
    directions = camera.rays(SIDE).directions[0].double().numpy()
    expected = cast(scene, camera.cam_to_world[0, :3, 3].double().numpy(), directions)
    found = render(lit(scene, draw_light(seed)), lens_of(camera, 0, SIDE))
    part = found.part.ravel().astype(int)
    is_hit = expected.part > 0
    assert 0.3 < is_hit.mean() < 0.95 and len(set(expected.part.tolist())) >= 4
    # A ray that passes within rounding of an edge may see either side of it.
    agree = np.where(expected.part == Part.SKIN, np.isin(part, OF_SKIN), part == expected.part)
    assert agree.mean() > 0.995
    same = agree & is_hit
    error = np.abs(found.depth.ravel() - expected.depth)[same]
    assert np.quantile(error, 0.995) < 2e-5
    cosine = (found.normal.reshape(-1, 3) * expected.normal).sum(1)[same]
    assert np.quantile(cosine, 0.005) > 0.9999
