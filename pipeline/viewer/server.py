"""The page's server: a token, a loopback address, small limits, one sentence for each refusal.

Frames go as JPEG over a WebSocket: a page asks for one, and asks again when it has come, so that a
slow machine draws fewer frames and nothing piles up.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from pipeline.pages import LocalPage
from pipeline.pictures import to_uint8
from pipeline.portraits.crop import Crop
from teachers.plain_values import parse_json

from .downloads import mesh_file, picture_file, triplane_file, turntable_file
from .drawing import LIMITS, View, draw, encoded
from .photographs import Photograph, jpeg
from .state import VIEWER, Viewer, photograph_of
from .workbench import FRAME, LIFT

PAGE = Path(__file__).parent / "page"
LARGEST_MESSAGE = 4096
"""Bytes of one message of a page."""


def application(viewer: Viewer) -> web.Application:
    """The server; run it by `aiohttp.web.run_app`."""
    number = "/photographs/{number:\\d+}"
    page = LocalPage(
        folder=PAGE, html="view.html", hosts=viewer.hosts, token=viewer.token, verb="view"
    )
    app = page.application(
        [
            web.get("/state", state),
            web.post("/photographs", upload),
            web.delete(number, remove),
            web.put(f"{number}/crop", reframe),
            web.get(f"{number}/photograph.jpg", photograph_file),
            web.get(f"{number}/crop.png", crop_file),
            web.get(f"{number}/{{contender}}/picture.png", picture_file),
            web.get(f"{number}/{{contender}}/turntable", turntable_file),
            web.get(f"{number}/{{contender}}/head.glb", mesh_file),
            web.get(f"{number}/{{contender}}/triplane.safetensors", triplane_file),
            web.get("/frames", frames),
        ],
        largest_body=int(viewer.limits.upload_megabytes * 1e6),
    )
    app[VIEWER] = viewer
    app.cleanup_ctx.append(_closing)
    return app


async def _closing(app: web.Application) -> AsyncIterator[None]:
    yield
    app[VIEWER].workbench.close()


async def state(request: web.Request) -> web.Response:
    """What the page shows at its start."""
    viewer = request.app[VIEWER]
    return web.json_response(
        {
            "about": viewer.about,
            "hooks": list(viewer.photographs.hooks.hooks),
            "contenders": [
                {"name": contender.name, "slow": contender.is_slow}
                for contender in viewer.workbench.contenders.values()
            ],
            "photographs": [photograph.record() for photograph in viewer.photographs],
            "most": viewer.photographs.most,
            "limits": LIMITS,
            "fov_deg": viewer.fov_deg,
            "upload_megabytes": viewer.limits.upload_megabytes,
        }
    )


async def upload(request: web.Request) -> web.Response:
    """A file as the request's body → the photograph's record."""
    viewer = request.app[VIEWER]
    name = Path(request.query.get("name", "photograph")).name[:120] or "photograph"
    async with viewer.receiving:  # until it is decoded: memory is that of so many files
        async with asyncio.timeout(float(viewer.limits.upload_seconds)):
            content = await request.read()
        photograph = await viewer.compute(LIFT, lambda: viewer.photographs.add(content, name))
    return web.json_response(photograph.record())


async def remove(request: web.Request) -> web.Response:
    """Takes a photograph off the page."""
    viewer = request.app[VIEWER]
    viewer.photographs.remove(photograph_of(request).number)
    return web.json_response({})


async def reframe(request: web.Request) -> web.Response:
    """JSON of a square → the photograph's record with it."""
    viewer, old = request.app[VIEWER], photograph_of(request)
    try:
        given = await request.json()
        crop = Crop(*(float(given[name]) for name in ("left", "top", "size", "roll_deg")))
        usable = all(abs(value) < 1e6 for value in vars(crop).values())
    except (json.JSONDecodeError, KeyError, TypeError, ValueError):
        usable = False
    if not usable:
        raise ValueError("no crop came: give left, top, size and roll_deg as numbers")
    return web.json_response(viewer.photographs.reframe(old.number, crop).record())


async def photograph_file(request: web.Request) -> web.Response:
    """The photograph, reduced."""
    image = photograph_of(request).image
    content = await asyncio.to_thread(jpeg, image, longest_side=960)
    return web.Response(body=content, content_type="image/jpeg")


async def crop_file(request: web.Request) -> web.Response:
    """What is lifted, after the hooks."""
    viewer, photograph = request.app[VIEWER], photograph_of(request)

    def cut() -> bytes:
        return encoded(to_uint8(photograph.cut(256).image), "PNG")

    return web.Response(body=await viewer.compute(FRAME, cut), content_type="image/png")


async def frames(request: web.Request) -> web.StreamResponse:
    """Messages of a page, one at a time, each answered before the next is read."""
    viewer = request.app[VIEWER]
    if viewer.pages >= viewer.limits.pages:
        raise web.HTTPServiceUnavailable(
            text=f"{viewer.pages} pages are open already: close one of them"
        )
    socket = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE, heartbeat=30)
    await socket.prepare(request)
    viewer.pages += 1
    try:
        async for message in socket:
            if message.type != WSMsgType.TEXT:
                break
            header, content = await _frame(viewer, message.data)
            text = json.dumps(header).encode()
            with contextlib.suppress(ConnectionResetError):
                await socket.send_bytes(len(text).to_bytes(2, "big") + text + content)
    finally:
        viewer.pages -= 1
    return socket


async def _frame(viewer: Viewer, text: str) -> tuple[dict[str, Any], bytes]:
    """The answer to one message: a header, and a JPEG if there is one."""
    header: dict[str, Any] = {"kind": "error"}
    try:
        message = parse_json(text, "a message", dict[str, Any])
        header |= {key: message.get(key) for key in ("ask", "photograph", "contender")}
        view, name = View.of(message), str(message.get("contender"))
        photograph = viewer.photographs[int(message["photograph"])]
        contender = viewer.workbench.contenders[name]
        started = viewer.workbench.progress(photograph, name) is not None
        if name not in photograph.lifted and not started and not contender.is_slow:
            await asyncio.wrap_future(viewer.workbench.lift(photograph, name))
        elif name not in photograph.lifted and message.get("start"):
            viewer.workbench.lift(photograph, name)
        if name in photograph.failed:
            return {**header, "error": photograph.failed[name]}, b""
        if name not in photograph.lifted:
            return {**header, **_waiting(viewer, photograph, name)}, b""
        portrait = photograph.lifted[name]
        content = await viewer.compute(FRAME, lambda: encoded(draw(portrait, view)))
        return {**header, "kind": "frame"}, content
    except KeyError:
        return {**header, "error": "this photograph isn't held any more: add it again"}, b""
    except (ValueError, TypeError) as error:
        return {**header, "error": " ".join(str(error).split())}, b""


def _waiting(viewer: Viewer, photograph: Photograph, name: str) -> dict[str, Any]:
    progress = viewer.workbench.progress(photograph, name)
    if progress is None:
        return {"kind": "idle"}
    return {
        "kind": "progress",
        "title": progress.title,
        "step": progress.step,
        "steps": progress.steps,
    }
