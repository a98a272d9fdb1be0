"""The sender's server: one page, one WebSocket for each viewer, the same packets for all.

A viewer gets the header and then pictures from the next key frame on. Its queue holds a few
packets; when it is full, it is emptied and filled again from the next key frame.
"""

import asyncio
import json
import secrets
import socket as socket_names
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from pipeline.pages import LocalPage

from .header import StreamHeader
from .mailbox import CodedQueue, now_us
from .packets import HEAD, STAGES
from .rate import KeyRequests

PAGE = Path(__file__).parent / "page"
LARGEST_MESSAGE = 256
"""Bytes of one message of a viewer."""

UNSENT_BYTES = 16_384
"""That the system holds for a viewer before they are on their way. By default it takes megabytes:
seconds of a stream, which a slow viewer would see late instead of not at all.
"""

DRAIN_SECONDS = 0.004
"""Between two looks at whether a viewer has taken what it was given."""

SENT_AT = HEAD.size - 8
"""Where the stamp "sent" lies."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What viewers may take.

    Attributes:
        viewers: at once.
        messages_per_second: of one viewer; more ends its connection.
        queue: packets that wait for one viewer.
        stall_seconds: a viewer that takes no packet for so long is disconnected.
    """

    viewers: int = 16
    messages_per_second: int = 20
    queue: int = 8
    stall_seconds: int | float = 20


@dataclass
class Viewer:
    """One connection."""

    queue: CodedQueue
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    header: bytes | None = None
    sent: int = 0
    asked_for_key: float = -1e9
    patience: float = 1.0


@dataclass
class Broadcast:
    """What the handlers and the coding thread share; everything but `publish` runs on the loop.

    Attributes:
        limits: of viewers.
        hosts: names under which the page may be asked for.
        token: whoever has it may watch.
        keys: the viewers' requests.
        about: a sentence for the page.
        viewers: connected now.
        troubled: overflows since the rate was last looked at.
    """

    limits: Limits
    hosts: tuple[str, ...]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    keys: KeyRequests = field(default_factory=KeyRequests)
    about: str = ""
    viewers: list[Viewer] = field(default_factory=list)
    troubled: set[int] = field(default_factory=set)
    loop: asyncio.AbstractEventLoop | None = None
    _header: bytes | None = None

    def publish_header(self, header: StreamHeader) -> None:
        """From any thread: a new header for everybody, who then wait for a key frame."""
        data = header.packet().to_bytes()
        self._on_loop(self._set_header, data)

    def publish(self, data: bytes, is_key: bool) -> None:
        """From any thread: a picture's packet for everybody."""
        self._on_loop(self._broadcast, data, is_key)

    def _on_loop(self, call: Callable[..., None], *arguments: Any) -> None:
        if self.loop is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(call, *arguments)

    def _set_header(self, data: bytes) -> None:
        self._header = data
        for viewer in self.viewers:
            viewer.header = data
            viewer.queue = CodedQueue(self.limits.queue)
            viewer.wake.set()

    def _broadcast(self, data: bytes, is_key: bool) -> None:
        for viewer in self.viewers:
            overflows = viewer.queue.overflows
            if viewer.queue.put(data, is_key=is_key):
                viewer.wake.set()
            elif viewer.queue.overflows > overflows:
                self.troubled.add(id(viewer))
                # a viewer that is always late may not make everybody pay for key frames
                viewer.patience = min(16.0, viewer.patience * 2)
            if viewer.queue.needs_key:
                self.ask_for_key(viewer)

    def ask_for_key(self, viewer: Viewer) -> None:
        """For one viewer, no more often than its patience allows."""
        now = time.monotonic()
        if now - viewer.asked_for_key >= viewer.patience:
            viewer.asked_for_key = now
            self.keys.wanted = True

    def trouble(self) -> tuple[int, int]:
        """Viewers that overflowed since the last call, and all."""
        troubled, self.troubled = len(self.troubled), set()
        return troubled, len(self.viewers)


BROADCAST: web.AppKey[Broadcast] = web.AppKey("broadcast", Broadcast)


def application(broadcast: Broadcast) -> web.Application:
    """The server; run it by `aiohttp.web`."""
    page = LocalPage(
        folder=PAGE,
        html="stream.html",
        hosts=broadcast.hosts,
        token=broadcast.token,
        verb="stream",
    )
    app = page.application([web.get("/state", state), web.get("/stream", stream)])
    app[BROADCAST] = broadcast
    app.on_startup.append(_started)
    return app


async def _started(app: web.Application) -> None:
    app[BROADCAST].loop = asyncio.get_running_loop()


async def state(request: web.Request) -> web.Response:
    """Who watches, and what was dropped."""
    broadcast = request.app[BROADCAST]
    viewers = [
        {"sent": v.sent, "dropped": v.queue.dropped, "waits": len(v.queue)}
        for v in broadcast.viewers
    ]
    return web.json_response({"about": broadcast.about, "viewers": viewers})


async def stream(request: web.Request) -> web.StreamResponse:
    """Packets until the viewer leaves, stalls, or says too much."""
    broadcast = request.app[BROADCAST]
    if len(broadcast.viewers) >= broadcast.limits.viewers:
        raise web.HTTPServiceUnavailable(
            text=f"{len(broadcast.viewers)} viewers watch already: try again later"
        )
    # deflate would cost time and gain nothing on coded pictures
    socket = web.WebSocketResponse(max_msg_size=LARGEST_MESSAGE, heartbeat=10, compress=False)
    viewer = Viewer(CodedQueue(broadcast.limits.queue), header=broadcast._header)
    broadcast.viewers.append(viewer)
    try:
        await socket.prepare(request)
        _hold_little(request)
        broadcast.ask_for_key(viewer)
        viewer.wake.set()
        sending = asyncio.create_task(_send(broadcast, viewer, socket))
        try:
            await _listen(broadcast, viewer, socket)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
    finally:
        broadcast.viewers.remove(viewer)
    return socket


async def _send(broadcast: Broadcast, viewer: Viewer, socket: web.WebSocketResponse) -> None:
    seconds = float(broadcast.limits.stall_seconds)
    try:
        while not socket.closed:
            await viewer.wake.wait()
            viewer.wake.clear()
            if viewer.header is not None:
                header, viewer.header = viewer.header, None
                async with asyncio.timeout(seconds):
                    await socket.send_bytes(header)
            while (data := viewer.queue.take()) is not None:
                # of each packet: a queue that is filled as fast as it empties never ends
                async with asyncio.timeout(seconds):
                    await socket.send_bytes(stamped_sent(data, now_us()))
                    viewer.sent += 1
                    await _drained(socket)
    except (TimeoutError, ConnectionError, RuntimeError):
        # it takes nothing, or has left: nothing more is held for it
        transport = socket._req.transport if socket._req is not None else None
        if transport is not None:
            transport.abort()


def _hold_little(request: web.Request) -> None:
    """Lets packets wait in the viewer's queue, where they can be dropped."""
    option = getattr(socket_names, "TCP_NOTSENT_LOWAT", None)  # not on every system
    connection = None if request.transport is None else request.transport.get_extra_info("socket")
    if option is not None and connection is not None:
        connection.setsockopt(socket_names.IPPROTO_TCP, option, UNSENT_BYTES)


async def _drained(socket: web.WebSocketResponse) -> None:
    """Waits until the system has taken what was sent."""
    transport = socket._req.transport if socket._req is not None else None
    while (
        transport is not None and transport.get_write_buffer_size() and not transport.is_closing()
    ):
        await asyncio.sleep(DRAIN_SECONDS)


def stamped_sent(data: bytes, microseconds: int) -> bytes:
    """A packet's bytes with the time of their sending."""
    copy = bytearray(data)
    struct.pack_into("<q", copy, SENT_AT, microseconds)
    return bytes(copy)


async def _listen(broadcast: Broadcast, viewer: Viewer, socket: web.WebSocketResponse) -> None:
    """Requests for key frames, and pings for the clock; whoever says too much is disconnected."""
    second, said = 0, 0
    async for message in socket:
        if message.type != WSMsgType.TEXT:
            break
        now = int(time.monotonic())
        second, said = (second, said + 1) if now == second else (now, 1)
        if said > broadcast.limits.messages_per_second:
            await socket.close(code=1008, message=b"too many messages")
            break
        try:
            wanted = json.loads(message.data)
            if wanted.get("key"):
                viewer.queue.needs_key = True
                broadcast.ask_for_key(viewer)
            if "ping" in wanted:
                pong = {"pong": float(wanted["ping"]), "clock": now_us()}
                await socket.send_str(json.dumps(pong))
        except (ValueError, TypeError, AttributeError):
            await socket.close(code=1007, message=b"not understood")
            break


assert STAGES[-1] == "sent"
