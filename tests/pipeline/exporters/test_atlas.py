"""Charts and their picture on a ball whose colour is its normal."""

import numpy as np
import pytest
from scipy.ndimage import label

from pipeline.exporters.atlas import Texels, padded, textured, unwrapped
from pipeline.exporters.mesh import Mesh, simplified, vertex_normals
from pipeline.exporters.surface import extract_surface

from .drawing import looked_up

SIZE = 128


def shade(points, normals):
    return (normals + 1) / 2


@pytest.fixture(scope="module")
def ball():
    def inside(points):
        return (0.3 - np.linalg.norm(points, axis=1)).astype(np.float32)

    vertices, faces = extract_surface(inside, level=0.0, sign=1, box_size=1.0, resolution=24)
    vertices, faces = simplified(vertices, faces, 600)
    return Mesh(vertices, faces, shade(vertices, vertex_normals(vertices, faces)))


@pytest.fixture(scope="module")
def pictured(ball):
    return textured(ball, ball.normals(), shade, SIZE)


def test_the_picture_holds_the_colour_of_every_surface_point(pictured):
    generator = np.random.default_rng(0)
    weights = generator.dirichlet([1, 1, 1], len(pictured.faces))
    uv = np.einsum("fcx,fc->fx", pictured.texture.uv[pictured.faces], weights)
    normal = np.einsum("fcx,fc->fx", pictured.normals()[pictured.faces], weights)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    error = np.abs(looked_up(pictured.texture.image, uv) - shade(None, normal))
    assert error.mean() < 0.01 and np.quantile(error, 0.99) < 0.06


def test_split_vertices_keep_place_colour_and_smooth_normal(ball, pictured):
    assert len(pictured.vertices) > len(ball.vertices)
    assert (pictured.vertices[pictured.faces] == ball.vertices[ball.faces]).all()
    assert (pictured.normals()[pictured.faces] == ball.normals()[ball.faces]).all()
    assert (pictured.colors[pictured.faces] == ball.colors[ball.faces]).all()


def test_charts_lie_in_the_picture_and_never_on_each_other(ball):
    _, faces, uv = unwrapped(ball.vertices, ball.faces, SIZE)
    assert uv.min() >= 0 and 0.95 < uv.max() <= 1
    corners = uv[faces]
    sides = corners[:, 1:] - corners[:, :1]
    areas = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]) / 2
    covered = Texels(faces, uv, SIZE).covered
    assert covered.mean() == pytest.approx(areas.sum(), rel=0.05)
    # texels of air between charts: bilinear look-ups don't mix two
    assert label(covered)[1] > 1


@pytest.mark.parametrize("scale", [1e-4, 1e4])
def test_charts_do_not_depend_on_the_unit(ball, scale):
    """xatlas drops faces of less than 1e-7 units² and returns coordinates that aren't numbers."""
    one, other = (unwrapped(ball.vertices * s, ball.faces, SIZE) for s in (1, scale))
    assert len(one[0]) == pytest.approx(len(other[0]), rel=0.1)
    assert np.isfinite(other[2]).all()


def test_empty_texels_take_the_nearest_colour():
    image = np.zeros((5, 5, 3), np.uint8)
    image[1, 1], image[4, 4] = 10, 20
    filled = padded(image, image.any(2))
    assert (filled[:2, :2] == 10).all() and (filled[3:, 3:] == 20).all()
