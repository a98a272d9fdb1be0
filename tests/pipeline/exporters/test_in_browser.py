"""The written GLB as three.js shows it, in Debian's Chromium with WebGL in software."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.exporters.glb import glb
from pipeline.exporters.mesh import METRES_PER_UNIT
from tests.browser import IN_BROWSER, chromium
from tests.three_js import three_js

from .drawing import psnr, rasterised

pytestmark = IN_BROWSER
SIZE = 128
ORIGIN = "http://head.test/"


@pytest.fixture(scope="module")
def draw():
    """Draws the bytes of a GLB: [SIZE SIZE 3] in [0, 1]."""
    files = {**three_js(), "": Path(__file__).with_name("page.html").read_bytes()}
    with chromium("--enable-unsafe-swiftshader", "--use-angle=swiftshader") as browser:

        def drawn(content, camera, focal):
            page = browser.new_page()
            said = []
            page.on("console", lambda message: said.append((message.type, message.text)))
            page.on("pageerror", lambda error: said.append(("error", str(error))))

            def answer(route):
                name = route.request.url.removeprefix(ORIGIN)
                body = content if name == "head.glb" else files.get(name)
                kind = "text/html" if name == "" else "text/javascript"
                route.fulfill(status=404 if body is None else 200, body=body, content_type=kind)

            page.route("**/*", answer)
            page.goto(ORIGIN)
            page.wait_for_function("window.ready")
            fov = math.degrees(2 * math.atan(0.5 / focal))
            position = (camera.cam_to_world[0, :3, 3] * METRES_PER_UNIT).tolist()
            pixels = page.evaluate(
                "([size, fov, from, to]) => draw(size, fov, from, to)",
                [SIZE, fov, position, [0, 0, 0]],
            )
            page.close()
            assert [text for kind, text in said if kind == "error"] == []
            rows = np.array(pixels, np.uint8).reshape(SIZE, SIZE, 4)[::-1, :, :3]
            return rows / np.float32(255)

        yield drawn


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
