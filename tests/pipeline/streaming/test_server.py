"""The sender's server: whom it lets in, what it holds for the slow, and what it refuses."""

import asyncio
import json

import aiohttp
import pytest
import torch
from aiohttp import web

from pipeline.streaming.header import StreamHeader
from pipeline.streaming.mailbox import CodedQueue, Mailbox
from pipeline.streaming.packets import Kind, Packet
from pipeline.streaming.rate import KeyRequests, RateControl
from pipeline.streaming.server import Broadcast, Limits, Viewer, _send

from .served import Feed, served


@pytest.fixture
def stream(lifter, bundled):
    limits = Limits(viewers=12, queue=4, stall_seconds=1, messages_per_second=5)
    with served(limits) as started:
        yield started, Feed(started.broadcast, lifter, bundled)


def watching(server, session, token=None):
    token = server.broadcast.token if token is None else token
    return session.ws_connect(f"{server.base}/stream?token={token}")


def refused(server, *, token="", headers=None, path="/stream") -> int:
    async def asked() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{server.base}{path}?token={token}", headers=headers) as answer,
        ):
            assert "error" in await answer.json()
            return answer.status

    return server.run(asked())


def test_without_token_name_and_origin_nobody_watches(stream):
    server, _ = stream
    token = server.broadcast.token
    assert refused(server) == 403
    assert refused(server, token=token, headers={"Host": "example.org"}) == 403
    assert refused(server, token=token, headers={"Origin": "http://example.org"}) == 403
    assert refused(server, token=token, path="/nothing.js") == 404
    assert refused(server, path="/") == 403


def test_a_viewer_gets_the_header_and_starts_at_a_key_frame(stream):
    server, feed = stream
    planes = torch.zeros(3, 16, 64, 64)
    feed.publish(planes)

    async def watch():
        async with aiohttp.ClientSession() as session, watching(server, session) as socket:
            first = Packet.of(await socket.receive_bytes(timeout=10))
            feed.publish(planes)  # no key: a new viewer couldn't decode it
            feed.publish(planes, key=True)
            second = Packet.of(await socket.receive_bytes(timeout=10))
            return first, second, server.broadcast.keys.wanted

    header, picture, wanted = server.run(watch())
    assert StreamHeader.of(header) == feed.header
    assert header.kind == Kind.HEADER
    assert (picture.number, picture.is_key) == (2, True)
    assert picture.stamps[-1] >= picture.stamps[0] > 0
    assert wanted


def test_ten_viewers_get_the_same_packets_and_cost_one_encoding(stream):
    server, feed = stream

    async def watch():
        async with aiohttp.ClientSession() as session:
            sockets = [await watching(server, session) for _ in range(10)]
            await asyncio.sleep(0.05)
            coded = [feed.publish(torch.zeros(3, 16, 64, 64)) for _ in range(3)]
            got = []
            for socket in sockets:
                packets = [Packet.of(await socket.receive_bytes(timeout=10)) for _ in range(4)]
                got.append([packet.payload for packet in packets[1:]])
                await socket.close()
            return coded, got

    coded, got = server.run(watch())
    assert got == [[one.data for one in coded]] * 10


def test_the_thirteenth_viewer_is_refused(stream):
    server, _ = stream

    async def watch():
        async with aiohttp.ClientSession() as session:
            sockets = [await watching(server, session) for _ in range(12)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await watching(server, session)
            for socket in sockets:
                await socket.close()
            return error.value.status

    assert server.run(watch()) == 503


@pytest.mark.parametrize("said", ["no JSON", "[1]", '{"ping": "x"}', "x" * 5000, ["{}"] * 9])
def test_a_viewer_that_says_too_much_or_nonsense_is_disconnected(stream, said):
    server, _ = stream

    async def watch():
        async with aiohttp.ClientSession() as session, watching(server, session) as socket:
            for text in said if isinstance(said, list) else [said]:
                await socket.send_str(text)
            while not socket.closed:
                await asyncio.wait_for(socket.receive(), 10)
        await asyncio.sleep(0.1)
        return len(server.broadcast.viewers)

    assert server.run(watch()) == 0


def test_the_clock_is_told(stream):
    server, _ = stream

    async def watch():
        async with aiohttp.ClientSession() as session, watching(server, session) as socket:
            await socket.send_str('{"ping": 7}')
            return json.loads(await socket.receive_str(timeout=10))

    assert server.run(watch())["pong"] == 7


def test_a_viewer_that_reads_nothing_holds_little_and_leaves(stream):
    """It is sent a few packets, then dropped ones are counted, then it is disconnected; another
    viewer gets everything meanwhile.
    """
    server, feed = stream
    broadcast = server.broadcast
    large = Packet(Kind.PICTURE, bytes(1 << 20), is_key=False).to_bytes()

    async def watch():
        async with aiohttp.ClientSession() as session:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.base.rsplit(":")[-1])
            writer.write(
                f"GET /stream?token={broadcast.token} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
            )
            await reader.readuntil(b"\r\n\r\n")
            writer.transport.pause_reading()
            async with watching(server, session) as good:
                feed.publish(torch.zeros(3, 16, 64, 64))
                await good.receive_bytes(timeout=10)
                await good.receive_bytes(timeout=10)
                read = 0
                for _ in range(40):
                    broadcast.publish(large, False)
                    read += len(await good.receive_bytes(timeout=10)) > 1 << 20
                held = sorted(len(viewer.queue) for viewer in broadcast.viewers)
                trouble = broadcast.trouble()
                for _ in range(40):
                    await asyncio.sleep(0.1)
                    if len(broadcast.viewers) == 1:
                        break
                left = len(broadcast.viewers)
            writer.close()
            return read, held, trouble, left

    read, held, trouble, left = server.run(watch())
    assert read == 40
    assert held[-1] <= 4
    assert trouble == (1, 2)
    assert left == 1


class SlowSocket(web.WebSocketResponse):
    """Takes a packet in some seconds."""

    seconds = 0.1

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None:
        await asyncio.sleep(self.seconds)


@pytest.mark.parametrize(("seconds", "taken"), [(0.1, 10), (0.6, 0)])
def test_a_viewer_that_takes_every_packet_slowly_stays(stream, seconds, taken):
    async def watch() -> int:
        broadcast = Broadcast(Limits(queue=10, stall_seconds=0.5), hosts=("127.0.0.1",))
        viewer, socket = Viewer(CodedQueue(10), header=None), SlowSocket()
        socket.seconds = seconds
        for number in range(10):
            viewer.queue.put(Packet(Kind.PICTURE, b"x").to_bytes(), is_key=number == 0)
        viewer.wake.set()
        sending = asyncio.create_task(_send(broadcast, viewer, socket))
        await asyncio.wait([sending], timeout=1.5)
        assert sending.done() == (taken == 0)
        sending.cancel()
        return viewer.sent

    assert stream[0].run(watch()) == taken


def test_what_a_slow_viewer_has_not_taken_waits_where_it_can_be_dropped(stream):
    """The system would buffer megabytes, which the viewer would see seconds late."""
    server, _ = stream
    broadcast = server.broadcast
    packet = Packet(Kind.PICTURE, bytes(30_000), is_key=True).to_bytes()

    async def watch():
        async with aiohttp.ClientSession() as session, watching(server, session) as socket:
            transport = socket._response.connection.transport
            transport.pause_reading()
            await asyncio.sleep(0.05)
            for _ in range(100):
                broadcast.publish(packet, True)
                await asyncio.sleep(0.002)
            sent = broadcast.viewers[0].sent
            transport.resume_reading()  # or leaving waits ten seconds for a goodbye
            return sent

    # The viewer's own system takes some before its window closes.
    assert server.run(watch()) < 60


def test_a_full_queue_is_emptied_and_filled_from_the_next_key_frame():
    queue = CodedQueue(most=2)
    assert not queue.put(b"0", is_key=False)  # nothing before a key frame
    taken = [queue.put(bytes([n]), is_key=n in (1, 6)) for n in range(1, 8)]
    assert taken == [True, True, False, False, False, True, True]
    assert [queue.take() for _ in range(3)] == [b"\x06", b"\x07", None]
    assert queue.dropped == 6
    assert queue.overflows == 1


def test_a_mailbox_holds_the_newest():
    box = Mailbox[int]()
    for number in range(5):
        box.put(number)
    assert (box.take(), box.take(0.01), box.dropped) == (4, None, 4)
    box.put(9)
    box.close()
    assert not box.is_closed
    assert box.take() == 9
    assert box.is_closed


def test_the_rate_falls_when_most_viewers_lose_packets_and_climbs_back():
    control = RateControl(5000.0, least=1000.0)
    assert control.update(0.0, 1, 3) is None  # one of three is slow: that is its own affair
    falls = [control.update(now, 2, 3) for now in (1.0, 2.0, 3.5, 6.0, 9.0, 12.0, 15.0)]
    assert falls[0] == 3500
    assert falls[1] is None  # not before the last change shows
    assert control.rate == 1000
    rises = [control.update(15 + 5.0 * n, 0, 3) for n in range(1, 60)]
    assert next(rate for rate in rises if rate) == pytest.approx(1150)
    assert control.rate == 5000


def test_key_frames_are_paced():
    keys = KeyRequests()
    assert keys.due(0.0)
    keys.wanted = True
    assert not keys.due(0.5)
    assert keys.due(1.1)
    assert not keys.due(9.0)
