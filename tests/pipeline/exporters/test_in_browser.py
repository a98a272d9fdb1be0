"""The written GLB as three.js shows it, in Debian's Chromium with WebGL in software."""

import numpy as np
import pytest
from PIL import Image

from pipeline.exporters.glb import glb
from tests.browser import IN_BROWSER
from tests.npm import three_js

from .drawing import psnr, rasterised
from .web_drawing import web_drawing

pytestmark = IN_BROWSER
SIZE = 128


@pytest.fixture(scope="module")
def draw():
    with web_drawing("page.html", three_js()) as drawn:
        yield lambda content, camera, focal: drawn("head.glb", content, camera, focal, SIZE)


def test_three_js_shows_the_picture_on_few_faces(draw, light, head, cameras, views):
    """Without mirrored pictures, dark seams or linear colours taken for sRGB."""
    content = glb(light[1])
    for i in (0, 4):
        camera = cameras[i : i + 1]
        picture = draw(content, camera, head.passport.focal)
        own, hit, _ = rasterised(light[1], camera, SIZE)
        inner = hit & (np.abs(own - picture).max(2) < 0.2)
        assert inner.sum() > 0.95 * hit.sum()
        assert np.abs(own - picture)[inner].mean() < 0.008
        colored, _, _ = rasterised(light[0], camera, SIZE)
        assert psnr(picture, views[i]) > psnr(colored, views[i])


def test_three_js_shows_the_field(draw, mesh, head, cameras, views, tmp_path):
    content = glb(mesh)
    for i in (0, 2, 4):
        camera = cameras[i : i + 1]
        picture = draw(content, camera, head.passport.focal)
        Image.fromarray(np.round(picture * 255).astype(np.uint8)).save(tmp_path / f"{i}.png")
        assert psnr(picture, views[i]) > 24.5, tmp_path
        # the same colours as those of the mesh: unlit, and linear in the file
        own, hit, _ = rasterised(mesh, camera, SIZE)
        inner = hit & (np.abs(own - picture).max(2) < 0.2)  # without the smoothed rim
        assert inner.sum() > 0.95 * hit.sum()
        assert np.abs(own - picture)[inner].mean() < 0.008
