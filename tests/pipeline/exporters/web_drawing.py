"""Pictures of written files by three.js, in Debian's Chromium with WebGL in software."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from pipeline.exporters.mesh import METRES_PER_UNIT
from tests.browser import chromium

ORIGIN = "http://head.test/"


@contextmanager
def web_drawing(page_name: str, libraries: dict[str, bytes]) -> Iterator[Callable]:
    """A function (name, content, camera, focal, size) → picture [size size 3] in [0, 1] of a page's
    `draw`; an error on the console fails.
    """
    files = {**libraries, "": Path(__file__).with_name(page_name).read_bytes()}
    with chromium("--enable-unsafe-swiftshader", "--use-angle=swiftshader") as browser:

        def drawn(name, content, camera, focal, size):
            page = browser.new_page()
            said = []
            page.on("console", lambda message: said.append((message.type, message.text)))
            page.on("pageerror", lambda error: said.append(("error", str(error))))

            def answer(route):
                asked = route.request.url.removeprefix(ORIGIN)
                body = content if asked == name else files.get(asked)
                kind = "text/html" if asked == "" else "text/javascript"
                route.fulfill(status=404 if body is None else 200, body=body, content_type=kind)

            page.route("http*://**/*", answer)
            page.goto(ORIGIN)
            page.wait_for_function("window.ready")
            fov = math.degrees(2 * math.atan(0.5 / focal))
            position = (camera.cam_to_world[0, :3, 3] * METRES_PER_UNIT).tolist()
            pixels = page.evaluate(
                "(given) => draw(...given)", [size, fov, position, [0, 0, 0], name]
            )
            page.close()
            assert [text for kind, text in said if kind == "error"] == []
            rows = np.array(pixels, np.uint8).reshape(size, size, 4)[::-1, :, :3]
            return rows / np.float32(255)

        yield drawn
