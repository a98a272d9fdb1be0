"""The mesh of a lifted puppet beside the field that it came from and the puppet's own surface."""

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from pipeline.exporters.field import Field
from pipeline.exporters.head_mesh import MeshSettings, head_mesh
from pipeline.exporters.sampled import sampled_identity
from pipeline.worlds.puppets.world import PuppetWorld
from teachers.untrained import untrained_teacher
from tests.builders import smallest_eg3d_settings

from .conftest import SEEDS
from .drawing import psnr, rasterised


def test_the_rasterised_mesh_is_the_rendered_field_from_five_views(mesh, cameras, views):
    scores = [
        psnr(rasterised(mesh, cameras[i : i + 1], 128)[0], view) for i, view in enumerate(views)
    ]
    assert np.mean(scores) > 26 and min(scores) > 24.5, scores


def test_colours_of_the_vertices_alone_are_further_from_the_field(detailed, cameras):
    from dataclasses import replace

    mesh, view = detailed.mesh, detailed.views[2]
    bare = replace(mesh, colors=detailed.field.colors(mesh.vertices))
    seen = psnr(rasterised(mesh, cameras[2:3], 128)[0], view)
    assert seen > psnr(rasterised(bare, cameras[2:3], 128)[0], view) + 2


@pytest.fixture(scope="module")
def puppet(cameras):
    """Points and normals of the puppet's surface that the five cameras see."""
    points, normals = [], []
    for i in range(len(cameras)):
        camera = cameras[i : i + 1]
        view = PuppetWorld().render(SEEDS, camera, 96)
        solid = (view.opacity[0, 0] > 0.999).flatten()
        rays = camera.rays(96)
        at = rays.origins[0] + rays.directions[0] * view.depth[0, 0].flatten()[:, None]
        points.append(at[solid])
        normals.append(view.normal[0].flatten(1).T[solid])
    return torch.cat(points).numpy(), torch.cat(normals).numpy()


def test_chamfer_distance_and_normal_error_against_the_puppets_surface(mesh, puppet):
    """What is left is the student's error: its rendered depth is as far from the truth."""
    points, normals = puppet
    distance, nearest = cKDTree(mesh.vertices).query(points)
    cosines = (mesh.normals()[nearest] * normals).sum(1)
    assert distance.mean() < 0.012
    assert np.degrees(np.arccos(np.clip(cosines, -1, 1))).mean() < 25


def test_decimation_keeps_surface_and_colours(field, mesh, cameras, views):
    light = head_mesh(field, MeshSettings(resolution=96, faces=8000))
    assert 5000 < len(light.faces) <= 8000
    assert cKDTree(mesh.vertices).query(light.vertices)[0].mean() < 0.004
    assert psnr(rasterised(light, cameras[2:3], 128)[0], views[2]) > 25


def test_a_picture_keeps_what_few_vertices_lose(detailed, cameras):
    gains = []
    for i, view in enumerate(detailed.views):
        colored, pictured = (
            rasterised(mesh, cameras[i : i + 1], 128)[0] for mesh in detailed.light
        )
        gains.append(psnr(pictured, view) - psnr(colored, view))
    assert min(gains) > 0.8 and np.mean(gains) > 1.4, gains


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"texture": 32}, "mesh.texture is 32"),
        ({"resolution": 4}, "mesh.resolution is 4"),
        ({"faces": 2}, "mesh.faces is 2"),
        ({"metres_per_unit": 0.0}, "metres_per_unit is 0.0"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        MeshSettings(**settings)


def test_a_field_of_signed_distances_has_its_surface_where_they_vanish():
    settings = smallest_eg3d_settings(8, kind="wysiwyg", plane_resolution=16, hidden_channels=32)
    field = Field(sampled_identity(untrained_teacher(settings), 0))
    mesh = head_mesh(field, MeshSettings(resolution=40))
    cell = field.box_size / 40
    assert field.has_distances
    assert np.abs(field.distances(mesh.vertices)).mean() < 0.05 * cell
    assert np.linalg.norm(mesh.vertices, axis=1).mean() == pytest.approx(0.25, abs=0.02)
