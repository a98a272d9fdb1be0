"""The surface of fields whose surface is known."""

import math

import numpy as np
import pytest
import torch
from skimage.measure import marching_cubes

from pipeline.exporters.mesh import (
    METRES_PER_UNIT,
    Mesh,
    largest_component,
    simplified,
    smoothed_normals,
    vertex_normals,
)
from pipeline.exporters.surface import BLOCK, OPAQUE_WITHIN, Grid, extract_surface, surface_logit
from teachers.rendering.density import ShiftedSoftplus

RADIUS = 0.3


def ball(points, centre=(0.03, -0.02, 0.01), radius=RADIUS):
    return (radius - np.linalg.norm(points - np.float32(centre), axis=1)).astype(np.float32)


def cubes(volume):
    """Vertices and faces of marching cubes."""
    return marching_cubes(volume, 0.0, gradient_direction="ascent", allow_degenerate=False)[:2]


def surface(logits, resolution=72, sign=1):
    return extract_surface(logits, level=0.0, sign=sign, box_size=1.0, resolution=resolution)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_ball_has_the_closed_forms_radius_area_volume_and_outward_normals(sign):
    vertices, faces = surface(lambda points: sign * ball(points), sign=sign)
    radial = vertices - np.float32([0.03, -0.02, 0.01])
    assert np.linalg.norm(radial, axis=1) == pytest.approx(RADIUS, abs=1e-3)
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert area == pytest.approx(4 * math.pi * RADIUS**2, rel=0.01)
    volume = np.einsum("fi,fi->", a, np.cross(b, c)) / 6  # positive: counterclockwise from outside
    assert volume == pytest.approx(4 / 3 * math.pi * RADIUS**3, rel=0.01)
    cosines = (vertex_normals(vertices, faces) * radial).sum(1) / RADIUS
    assert cosines.min() > 0.999


def test_a_surface_that_leaves_the_box_is_closed_at_its_side():
    vertices, faces = surface(lambda points: ball(points, (0, -0.4, 0)))
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), 1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert vertices[:, 1].min() == pytest.approx(-0.5, abs=1 / 72)


def test_specks_and_cavities_are_left_out():
    def field(points):
        shell = np.minimum(ball(points), -ball(points, radius=0.1))
        return np.maximum(shell, ball(points, (0.42, 0.42, 0.42), 0.05))

    vertices, _ = surface(field)
    assert np.linalg.norm(vertices - [0.03, -0.02, 0.01], axis=1).min() > RADIUS - 0.01
    assert np.abs(vertices).max() < 0.34


def test_blocks_give_the_surface_of_the_full_grid_where_it_leaves_them():
    """A rod thinner than the coarse grid grows out of a ball: block after block adds it."""

    def field(points):
        rod = 0.006 - np.hypot(points[:, 0] - 0.0347, points[:, 2] + 0.0347)
        rod = np.minimum(rod, 0.45 - np.abs(points[:, 1]))
        return np.maximum(ball(points, (0.03, 0, -0.03), 0.1), rod).astype(np.float32)

    grid = Grid(field, 0.0, 1, 1.0, 160)
    whole = grid._at(grid.axis, grid.axis, grid.axis)
    asked = []

    def counted(points):
        asked.append(len(points))
        return field(points)

    some = Grid(counted, 0.0, 1, 1.0, 160).filled()
    full = np.pad(whole, 1, constant_values=-1)
    for one, other in zip(cubes(some), cubes(full), strict=True):
        assert (one == other).all()
    assert sum(asked) < 0.35 * whole.size and max(asked) <= BLOCK**3


def test_values_at_the_level_make_no_faces_without_area():
    """A cube whose sides lie on samples."""

    def cube(points):
        return np.round(0.25 - np.abs(points).max(1), 3).astype(np.float32)

    vertices, faces = surface(cube, resolution=40)
    corners = vertices[faces]
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    assert (areas > 0).all()


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (lambda points: np.full(len(points), np.nan, np.float32), "aren't finite"),
        (lambda points: np.full(len(points), -1, np.float32), "no surface at the level"),
    ],
)
def test_a_field_without_a_surface_is_refused(field, message):
    with pytest.raises(ValueError, match=message):
        surface(field, resolution=16)


def test_the_level_makes_its_length_half_opaque():
    activation = ShiftedSoftplus(gain=20.0)
    density = activation(torch.tensor(surface_logit(activation, 0.8)))
    assert 1 - math.exp(-float(density) * OPAQUE_WITHIN * 0.8) == pytest.approx(0.5, abs=1e-4)


def test_a_density_that_never_gets_opaque_is_refused():
    with pytest.raises(ValueError, match="never reach"):
        surface_logit(lambda logits: torch.sigmoid(logits), 1.0)


def test_fewer_faces_keep_the_shape_and_too_few_are_refused():
    vertices, faces = surface(ball)
    fewer, triangles = simplified(vertices, faces, 2000)
    assert 1500 < len(triangles) <= 2000
    assert np.linalg.norm(fewer - [0.03, -0.02, 0.01], axis=1) == pytest.approx(RADIUS, abs=3e-3)
    assert simplified(vertices, faces, len(faces) + 1)[1] is faces


def test_the_component_with_most_faces_is_kept():
    faces = np.array([[0, 1, 2], [3, 4, 5], [3, 5, 6]])
    kept, triangles = largest_component(np.eye(7, 3, dtype=np.float32), faces)
    assert len(kept) == 4 and triangles.tolist() == [[0, 1, 2], [0, 2, 3]]


def test_smoothed_normals_flatten_small_bumps_and_keep_a_large_shape():
    def bumpy(points):
        bumps = 0.004 * np.sin(120 * points).prod(1)
        return (ball(points) + bumps).astype(np.float32)

    vertices, faces = surface(bumpy)
    mesh = Mesh(vertices, faces, np.zeros_like(vertices))
    radial = vertices - np.float32([0.03, -0.02, 0.01])
    radial /= np.linalg.norm(radial, axis=1, keepdims=True)
    angles = [
        np.degrees(np.arccos((normals * radial).sum(1).clip(-1, 1))).mean()
        for normals in (mesh.normals(), smoothed_normals(mesh, 0.05))
    ]
    assert angles[0] > 4 and angles[1] < 0.4 * angles[0], angles
    assert (smoothed_normals(mesh, 0.0) == mesh.normals()).all()


def test_the_scale_is_that_of_a_face_with_eyes_61_mm_apart():
    from pipeline.worlds.heads.frame import DECIMETRES, SEEN_LARGER, SHRINK, WORLD_PER_DECIMETRE

    eyes = DECIMETRES[1, 0] - DECIMETRES[0, 0]
    world = eyes * WORLD_PER_DECIMETRE * SHRINK / SEEN_LARGER
    assert world * METRES_PER_UNIT == pytest.approx(0.061)


def test_a_vertex_without_area_has_a_normal():
    flat = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]]), np.zeros((3, 3), np.float32))
    assert flat.normals().tolist() == [[0, 0, 1]] * 3
