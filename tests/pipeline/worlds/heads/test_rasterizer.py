"""What samples see, against closed forms."""

import numpy as np
import torch

from pipeline.worlds.heads.mesh import Mesh, unit_sphere
from pipeline.worlds.heads.part import Part
from pipeline.worlds.heads.rasterizer import (
    Buffer,
    draw_strands,
    draw_triangles,
    interpolate,
)
from pipeline.worlds.heads.world import lens_of
from teachers.rendering.camera import Camera

RADIUS, SIZE = 0.3, 96


def front():
    return lens_of(Camera.orbit(torch.zeros(1), torch.zeros(1)), 0, SIZE)


def drawn(mesh: Mesh) -> Buffer:
    buffer, lens = Buffer.empty(SIZE), front()
    draw_triangles(buffer, lens.project(mesh.vertices), mesh.triangles, mesh.cut)
    return buffer


def sphere(cut: np.ndarray | None = None) -> Mesh:
    points, triangles = unit_sphere(120, 160)
    return Mesh.of(points * RADIUS, triangles, Part.SKIN, None, cut)


def test_a_sphere_has_its_closed_form_depth_normals_and_outline():
    mesh = sphere()
    buffer = drawn(mesh)
    directions = Camera.orbit(torch.zeros(1), torch.zeros(1)).rays(SIZE).directions[0].numpy()
    along = 2.7 * -directions[:, 2]
    inside = along**2 - (2.7**2 - RADIUS**2)
    hit = buffer.index.ravel() >= 0
    clear = np.abs(inside) > 4e-4
    assert (hit == (inside > 0))[clear].all()
    sure = hit & clear & (inside > 0)
    found = interpolate(
        buffer.index.ravel()[sure],
        buffer.weights.reshape(-1, 2)[sure],
        mesh.triangles,
        np.concatenate([mesh.vertices, mesh.normals()], 1),
    )
    depth = along[sure] - np.sqrt(inside[sure])
    position = np.array([0, 0, 2.7]) + depth[:, None] * directions[sure]
    assert np.abs(np.linalg.norm(found[:, :3] - [0, 0, 2.7], axis=1) - depth).max() < 3e-3
    steep = (found[:, 3:] * position / RADIUS).sum(1)
    assert np.quantile(steep, 0.01) > 0.998


def test_where_the_cut_is_negative_there_is_a_hole():
    points, _ = unit_sphere(120, 160)
    buffer = drawn(sphere(cut=points[:, 0]))
    columns = np.flatnonzero((buffer.index >= 0).any(0))
    # The left half is cut away, and behind it the inside of the right half can't be seen.
    assert columns.min() >= SIZE // 2 - 1


def test_the_nearer_surface_hides_the_farther_whatever_the_order():
    quad = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32) * 0.2
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    lens, cut = front(), np.ones(4, np.float32)
    for order in ((0.0, 0.1), (0.1, 0.0)):
        buffer = Buffer.empty(SIZE)
        for first, z in zip((0, 2), order, strict=True):
            projected = lens.project(quad + np.float32([0, 0, z]))
            draw_triangles(buffer, projected, triangles, cut, first)
        nearest = 0 if order[0] == 0.1 else 2
        assert buffer.index[SIZE // 2, SIZE // 2] in (nearest, nearest + 1)


def test_a_strand_has_its_width_and_place():
    lens, buffer = front(), Buffer.empty(SIZE)
    points = np.array([[-0.2, 0.05, 0.0], [0.2, 0.05, 0.0]], np.float32)
    widths = np.full(2, 0.02 * lens.focal, np.float32)
    draw_strands(buffer, lens.project(points), np.array([0], np.int32), widths, 0)
    rows = np.flatnonzero(buffer.index[:, SIZE // 2] == 0)
    unit = lens.focal / 2.7
    assert abs(len(rows) - 0.04 * unit) <= 1
    assert abs(rows.mean() + 0.5 - (SIZE / 2 - 0.05 * unit)) <= 0.5
    assert abs(buffer.weights[rows[0], SIZE // 2, 0] - 0.5) < 0.02
