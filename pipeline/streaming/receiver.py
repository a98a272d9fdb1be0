"""A receiver without a browser: network → decoder process → planes → render at its own camera.

Two threads beside the network's loop, each with a queue that drops: decoding takes every packet in
order, rendering the newest planes only.
"""

import asyncio
import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import torch
from jaxtyping import UInt8

from pipeline.lifter import Lifter
from pipeline.pictures import to_uint8
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane

from .coding import DecoderProcess
from .header import StreamHeader
from .latency import LatencyBudget
from .mailbox import CodedQueue, Mailbox, now_us
from .packets import LARGEST_PACKET, Kind, MalformedPacket, Packet
from .source import in_thread
from .worker import WorkerLost

log = logging.getLogger(__name__)

PING_SECONDS = 1.0
"""Between two looks at the sender's clock."""

WAITING = 12
"""Packets that wait for the decoder."""

Display = Callable[[int, UInt8[np.ndarray, "height width 3"]], None]
"""Takes a frame's number and pixels."""


@dataclass
class ReceiverCounts:
    """What became of the packets."""

    packets: int = 0
    malformed: int = 0
    damaged: int = 0
    decoded: int = 0
    displayed: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class _Decoded:
    packet: Packet
    received: int
    decoded: int
    triplane: Triplane


class Receiver:
    """Shows a stream until it ends.

    Args:
        lifter: whose renderer draws; None: the header says which teacher it needs, and a mismatch
            is an error.
        camera: seconds since the start → the viewer's camera.
        display: what is done with a frame.
    """

    def __init__(self, lifter: Lifter, camera: Callable[[float], Camera], display: Display) -> None:
        self.lifter, self.camera, self.display = lifter, camera, display
        self.budget, self.counts = LatencyBudget(), ReceiverCounts()
        self.header: StreamHeader | None = None
        self.decoder: DecoderProcess | None = None
        self.error: Exception | None = None
        self._queue = CodedQueue(WAITING)
        self._arrived = threading.Condition()
        self._planes: Mailbox[_Decoded] = Mailbox()
        self._stop = threading.Event()
        self._wants_key = False
        self._offset, self._best_trip = 0, 1 << 62

    async def watch(self, address: str, *, seconds: float | None = None) -> None:
        """Receives from the address that `trilift stream` printed, for a while or to the end.

        Raises:
            ValueError: nothing answers there, or the stream needs another renderer.
        """
        import aiohttp

        await asyncio.to_thread(self.warm_up)
        threads = [in_thread(self._decode, "decode"), in_thread(self._render, "render")]
        try:
            async with asyncio.timeout(seconds):
                async with (
                    aiohttp.ClientSession() as session,
                    session.ws_connect(
                        stream_address(address), max_msg_size=LARGEST_PACKET, compress=0
                    ) as socket,
                ):
                    pinging = asyncio.create_task(self._ping(socket))
                    try:
                        await self._receive(socket)
                    finally:
                        pinging.cancel()
        except TimeoutError:
            pass
        except aiohttp.WSServerHandshakeError as error:
            raise ValueError(
                f"the sender refuses ({error.status}): give the whole address that it printed"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise ValueError(f"no stream at {address}: {error}") from error
        finally:
            self._end()
            for thread in threads:
                await asyncio.to_thread(thread.join, 20)
            if self.decoder is not None:
                self.decoder.close()
        if self.error is not None:
            raise self.error

    def warm_up(self) -> None:
        """Compiles kernels, so that the first frames aren't late."""
        passport = self.lifter.passport
        side, channels = passport.plane_resolution, passport.stored_channels
        planes = next(self.lifter.parameters()).new_zeros(1, 3, channels, side, side)
        with torch.inference_mode():
            self.lifter.render(passport.triplane(planes), self.camera(0.0))

    def _end(self) -> None:
        self._stop.set()
        with self._arrived:
            self._arrived.notify_all()
        self._planes.close()

    async def _receive(self, socket: Any) -> None:
        async for message in socket:
            if self._stop.is_set():
                return
            if isinstance(message.data, str):
                self._take_clock(message.data)
            elif isinstance(message.data, bytes):
                self.take(message.data, now_us())
            if self._wants_key:
                self._wants_key = False
                await socket.send_str(json.dumps({"key": True}))

    async def _ping(self, socket: Any) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                await socket.send_str(json.dumps({"ping": now_us()}))
                await asyncio.sleep(PING_SECONDS)

    def _take_clock(self, text: str) -> None:
        """The sender's clock minus ours, from the ping with the shortest way."""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            pong = json.loads(text)
            sent, now = int(pong["pong"]), now_us()
            trip = now - sent
            if 0 <= trip < self._best_trip:
                self._best_trip = trip
                self._offset = int(pong["clock"]) - (sent + now) // 2

    def take(self, data: bytes, received: int) -> None:
        """One message of the network."""
        self.counts.packets += 1
        self.counts.bytes += len(data)
        try:
            packet = Packet.of(data)
            if packet.kind == Kind.HEADER:
                self._open(StreamHeader.of(packet))
                return
        except MalformedPacket as error:
            self.counts.malformed += 1
            log.warning("%s", error)
            return
        except ValueError as error:
            self.error = error
            self._end()
            return
        with self._arrived:
            stamped = received.to_bytes(8, "little") + data
            if not self._queue.put(stamped, is_key=packet.is_key):
                self._wants_key = True
            self._arrived.notify()

    def _open(self, header: StreamHeader) -> None:
        self.lifter.passport.require_same(
            header.passport, mine="this receiver's student", others="the stream"
        )
        with self._arrived:
            before, self.header = self.header, header
            self._queue = CodedQueue(WAITING)
            if before is None or (before.grid, before.codec) != (header.grid, header.codec):
                if self.decoder is not None:
                    self.decoder.close()
                self.decoder = DecoderProcess(header.grid, header.codec)
            self.decoder.needs_key = True  # type: ignore[union-attr]

    def _decode(self) -> None:
        while not self._stop.is_set():
            with self._arrived:
                self._arrived.wait_for(lambda: len(self._queue) or self._stop.is_set(), 1.0)
                stamped, header, decoder = self._queue.take(), self.header, self.decoder
            if stamped is None or header is None or decoder is None:
                continue
            received, packet = int.from_bytes(stamped[:8], "little"), Packet.of(stamped[8:])
            try:
                picture = decoder.decode(packet.payload, is_key=packet.is_key)
            except (ValueError, WorkerLost) as error:
                self.counts.damaged += 1
                self._wants_key = True
                log.warning("%s", error)
                continue
            if picture is None:
                self._wants_key = self._wants_key or decoder.needs_key
                continue
            triplane = header.triplane(picture)
            self.counts.decoded += 1
            self._planes.put(_Decoded(packet, received, now_us(), triplane))

    def _render(self) -> None:
        started = time.monotonic()
        try:
            while not self._stop.is_set():
                decoded = self._planes.take()
                if decoded is None:
                    continue
                with torch.inference_mode():
                    camera = self.camera(time.monotonic() - started)
                    image = self.lifter.render(decoded.triplane, camera).image[0]
                rendered = now_us()
                self.display(decoded.packet.number, to_uint8(image))
                stamps = (decoded.received, decoded.decoded, rendered, now_us())
                offset = self._offset
                self.budget.add(decoded.packet.stamps, [stamp + offset for stamp in stamps])
                self.counts.displayed += 1
        except Exception as error:
            self.error = error
            self._stop.set()

    def record(self) -> dict[str, Any]:
        """What happened, for JSON."""
        return {
            **vars(self.counts),
            "too_late": self._planes.dropped,
            "decoder_restarts": 0 if self.decoder is None else self.decoder.worker.restarts,
            "latency": self.budget.record(),
        }


def stream_address(address: str) -> str:
    """The WebSocket's address that belongs to the page's.

    Raises:
        ValueError: it isn't one that `trilift stream` prints.
    """
    parts = urlsplit(address)
    schemes = {"http": "ws", "https": "wss"}
    if parts.scheme not in schemes or not parts.netloc or "token=" not in parts.query:
        raise ValueError(
            f"address is {address!r}: give what `trilift stream` printed, http://…/?token=…"
        )
    return urlunsplit((schemes[parts.scheme], parts.netloc, "/stream", parts.query, ""))
