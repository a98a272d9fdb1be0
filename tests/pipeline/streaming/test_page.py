"""The page in Debian's Chromium: pictures exact, views as our renderer draws them."""

import base64
import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.inference.pretrained import student_file
from pipeline.inference.video import write_video
from pipeline.lifter import Lifter
from pipeline.pictures import to_uint8
from pipeline.portraits.framing import WholePicture
from pipeline.streaming.codecs import CodecSettings, PlaneDecoder
from pipeline.streaming.header import StreamHeader, scene_of
from pipeline.streaming.lifting import LiftSettings
from pipeline.streaming.sender import Sender
from pipeline.streaming.server import Limits
from pipeline.streaming.source import Source
from pipeline.streaming.tiling import Grid
from pipeline.worlds.puppets.sequences import render_sequence
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from teachers.rendering.density import ShiftedSoftplus
from teachers.rendering.two_layers import TwoLayers
from tests.browser import IN_BROWSER

from .served import Feed, served

pytestmark = IN_BROWSER
SIDE = 32
ANGLES = ((0.0, 0.0), (0.5, -0.2))
DRAW = """([header, levels, angles]) => {
  const bytes = Uint8Array.from(atob(levels), c => c.charCodeAt(0));
  const renderer = new PlaneRenderer(document.createElement("canvas"), JSON.parse(header));
  renderer.resize(1);
  renderer.upload(new Uint16Array(bytes.buffer));
  return angles.map(([yaw, pitch]) => Array.from(
    renderer.pixels(orbit(renderer.scene, { yaw, pitch }))));
}"""


@pytest.fixture(scope="module")
def small() -> Lifter:
    """The bundled student with fewer rays: the browser draws in software."""
    lifter = Lifter.load(student_file("bundled/puppets_tiny")).requires_grad_(False)
    lifter.renderer = lifter.renderer.changed(resolution=SIDE)
    return lifter


@pytest.fixture
def opened(browser):
    """A server and its page; a test fails if the page logs an error or asks another machine."""
    with served(Limits()) as server:
        page = browser.new_page(viewport={"width": 700, "height": 900})
        said, foreign = [], []
        page.on("console", lambda m: m.type == "error" and said.append(m.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on(
            "request",
            lambda request: (
                request.url.startswith((server.base, server.base.replace("http", "ws"), "data:"))
                or foreign.append(request.url)
            ),
        )
        page.goto(server.address)
        yield server, page
        page.close()
        assert (said, foreign) == ([], [])


def psnr(seen: list[int], lifter: Lifter, planes: torch.Tensor, angles: tuple) -> float:
    """Of the page's RGBA against our renderer."""
    yaw, pitch = (torch.tensor([angle]) for angle in angles)
    triplane = lifter.passport.triplane(planes[None])
    image = lifter.render(triplane, lifter.passport.orbit(yaw, pitch)).image[0]
    pixels = np.array(seen, np.float32).reshape(SIDE, SIDE, 4)[..., :3]
    error = pixels - to_uint8(image)
    return float(20 * np.log10(255 / np.sqrt((error**2).mean() + 1e-9)))


def test_the_page_decodes_exactly_and_draws_as_we_do(opened, small, bundled):
    server, page = opened
    feed = Feed(server.broadcast, small, bundled)
    decoder = PlaneDecoder(feed.grid, "h264")
    images = torch.stack([torch.full((3, 64, 64), grey) for grey in (-0.5, 0.0, 0.5)])
    images[:, :, 20:44, 24:40] *= -1
    page.wait_for_function("() => live.socket.readyState === 1")
    for number, planes in enumerate(small.lift(images).planes):
        picture = decoder.decode(feed.publish(planes, key=number == 0).data)
        page.wait_for_function(f"() => live.frames > {number}")
    levels = np.array(page.evaluate("Array.from(live.levels)"), np.uint16)
    assert (levels.reshape(picture.shape) == picture).all()
    seen = page.evaluate(
        "angles => angles.map(([yaw, pitch]) => Array.from(live.renderer.pixels("
        "orbit(live.header.scene, { yaw, pitch }))))",
        ANGLES,
    )
    planes = feed.header.triplane(picture).planes[0]
    assert min(psnr(one, small, planes, at) for one, at in zip(seen, ANGLES, strict=True)) > 50
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 160, box["y"] + 60, steps=3)
    page.mouse.up()
    assert page.evaluate("view.yaw") < -0.1
    page.focus("#stage")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("view.pitch") == pytest.approx(-0.05)
    page.click("#stereo")
    assert page.evaluate("[find('canvas').width, find('canvas').height]") == [2 * SIDE, SIDE]


def test_av1_reaches_the_page_exactly_as_well(opened, small, bundled):
    """Chromium may hold a picture back until the next one comes."""
    server, page = opened
    feed = Feed(server.broadcast, small, bundled, codec="av1")
    decoder = PlaneDecoder(feed.grid, "av1")
    planes = small.lift(torch.linspace(-1, 1, 64).expand(1, 3, 64, 64)).planes[0]
    page.wait_for_function("() => live.socket.readyState === 1")
    pictures = []
    for number in range(4):
        coded = feed.publish(planes * (1 - number / 8), key=number == 0)
        pictures.append(decoder.decode(coded.data))
        page.wait_for_function(f"() => live.decoded >= {number}")
    decoded, levels = page.evaluate("[live.decoded, Array.from(live.levels)]")
    seen = np.array(levels, np.uint16).reshape(pictures[0].shape)
    assert (seen == pictures[decoded - 1]).all()
    assert page.evaluate("live.header.codec_string") == "av01.0.13M.10"


def test_two_passes_and_a_plain_decoder_are_drawn_as_well(opened, small, bundled, monkeypatch):
    """EG3D's own marcher, a decoder without a prior, a box for limits, 12 channels."""
    generator = torch.Generator().manual_seed(3)
    layers = TwoLayers(
        *(torch.randn(shape, generator=generator) for shape in ((20, 16), (20,), (9, 20), (9,))),
        density_gain=6.0,
    )
    decoder = small.renderer.decoder
    monkeypatch.setattr(decoder, "two_layers", lambda: layers)
    monkeypatch.setattr(decoder, "forward", lambda features, points: layers(features, points))
    monkeypatch.setattr(decoder, "density_activation", ShiftedSoftplus(6.0))
    renderer = small.renderer.changed(
        first_pass="reused", depth_samples=12, importance_samples=8, decoder=decoder
    )
    small = copy.copy(small)
    small._modules = {**small._modules, "renderer": renderer}
    grid = Grid(48, 64)
    header = StreamHeader("h264", grid, bundled, small.passport, 30.0, scene_of(small))
    planes = 4 * torch.randn(3, 16, 64, 64, generator=generator)
    picture = grid.picture(bundled.levels(planes))
    _, page = opened
    content = base64.b64encode(picture.tobytes()).decode()
    seen = page.evaluate(DRAW, [header.packet().payload.decode(), content, ANGLES])
    planes = header.triplane(picture).planes[0]
    scores = [psnr(one, small, planes, at) for one, at in zip(seen, ANGLES, strict=True)]
    assert min(scores) > 40, scores


def test_a_stream_that_a_page_cannot_draw_gets_one_sentence(opened, small, bundled):
    server, page = opened
    feed = Feed(server.broadcast, small, bundled)
    feed.header = StreamHeader(**{**vars(feed.header), "scene": None})
    page.wait_for_function("() => live.socket.readyState === 1")
    feed.publish(torch.zeros(3, 16, 64, 64))
    page.wait_for_selector("#said.error")
    assert "trilift stream address=" in page.inner_text("#said")


def test_three_seconds_of_a_world_reach_the_browser(opened, bundled, tmp_path: Path):
    """A film of a puppet → lifting process → encoding process → WebSocket → page."""
    rate, server, page = 8, *opened
    seeds = WorldSeeds.of(Split.TEST, [3])
    frames = render_sequence(
        PuppetWorld(supersampling=1), seeds, 3 * rate, 64, fps=float(rate)
    ).image()
    pictures = [to_uint8(frame) for frame in frames]
    film = write_video(tmp_path / "clip", pictures, frames_per_second=rate)
    lift = LiftSettings(
        student=student_file("bundled/puppets_tiny"),
        source=Source(name=str(film), frames_per_second=float(rate)),
        framing=WholePicture(),
        normalisation=bundled,
        kernels="readable",
        threads=1,
    )
    codec = CodecSettings(frames_per_second=rate)
    sender = Sender(lift, codec, server.broadcast, record=tmp_path / "planes.mkv")
    page.wait_for_function("() => live.socket.readyState === 1")
    sender.start()
    try:
        page.wait_for_function("() => live.frames >= 3", timeout=60_000)
        assert sender.ended.wait(60)
    finally:
        sender.close()
    record = sender.record_of()
    assert sender.error is None, sender.error
    assert record["coded"] + record["too_late"] >= 3
    assert record["lost"] == 0
    assert page.evaluate("live.latencies.every(({ total }) => total > 0 && total < 6e7)")
    state = json.loads(page.evaluate("fetch('state').then(answer => answer.text())"))
    assert state["viewers"][0]["sent"] >= 3
    assert (tmp_path / "planes.mkv").stat().st_size > 10_000
