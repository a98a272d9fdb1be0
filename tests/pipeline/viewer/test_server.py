"""The page's server: what it refuses, in one sentence, and what it answers."""

import asyncio
import io
import json
import socket
import struct
import time
import zlib
from collections.abc import Sequence

import aiohttp
import numpy as np
import pytest
from PIL import Image

from pipeline.pages import (
    LocalPage,
    cookie_of,
    is_loopback,
    names_of,
    printable,
    unservable,
)
from pipeline.viewer.state import Limits
from tests.served_page import served_page

HEADERS = 2


def png(width: int = 48, height: int = 40) -> bytes:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = (220, 40, 40)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def declared(width: int, height: int) -> bytes:
    """A PNG whose header promises a size; its pixels are missing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def pass_of(served) -> dict[str, str]:
    """The cookie of a browser that has opened the page."""
    return {cookie_of(served.viewer.token): served.viewer.token}


def ask(served, path, *, method="GET", token=True, data=None, headers=None):
    """(status, body, headers) of one request."""

    async def asked():
        cookies = pass_of(served) if token else {}
        async with (
            aiohttp.ClientSession(cookies=cookies) as session,
            session.request(method, served.base + path, data=data, headers=headers) as answer,
        ):
            return answer.status, await answer.read(), dict(answer.headers)

    return served.run(asked())


def refusal(served, path, **options) -> tuple[int, str]:
    status, body, _ = ask(served, path, **options)
    return status, json.loads(body)["error"]


def add(served, content=None) -> dict:
    status, body, _ = ask(served, "/photographs?name=a.png", method="POST", data=content or png())
    assert status == 200, body
    return json.loads(body)


def talk(served, *messages):
    """The answers to a page's messages: (header, JPEG)."""

    async def talked():
        cookies, answers = pass_of(served), []
        async with (
            aiohttp.ClientSession(cookies=cookies) as session,
            session.ws_connect(served.base + "/frames") as socket,
        ):
            for message in messages:
                text = message if isinstance(message, str) else json.dumps(message)
                await socket.send_str(text)
                data = await socket.receive_bytes(timeout=30)
                size = int.from_bytes(data[:HEADERS], "big") + HEADERS
                answers.append((json.loads(data[HEADERS:size]), data[size:]))
        return answers

    return served.run(talked())


@pytest.mark.parametrize("path", ["/", "/state", "/view.js", "/photographs/1/photograph.jpg"])
def test_without_the_token_nothing_is_told(served, path):
    status, sentence = refusal(served, path, token=False)
    assert status == 403
    assert "token" in sentence


def test_the_page_comes_with_the_token_and_allows_no_foreign_script(served):
    status, body, headers = ask(served, f"/?token={served.viewer.token}", token=False)
    assert status == 200
    assert b"<title>trilift view</title>" in body
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert {"HttpOnly", "SameSite=Strict"} <= set(headers["Set-Cookie"].split("; "))


def test_another_name_of_this_machine_and_another_origin_are_refused(served):
    assert refusal(served, "/state", headers={"Host": "example.org"})[0] == 403
    assert refusal(served, "/state", headers={"Origin": "http://example.org"})[0] == 403


@pytest.fixture
def page_of(tmp_path):
    """Serves an empty page as `host=` would let it be asked for."""
    (tmp_path / "page.html").write_text("<p>empty</p>")

    def serve(host: str, token: str, names: Sequence[str] = (), at: str = "127.0.0.1"):
        hosts = names_of(host, names)
        page = LocalPage(folder=tmp_path, html="page.html", hosts=hosts, token=token, verb="view")
        return served_page(page.application([]), token, at)

    return serve


async def statuses(*requests: tuple[str, dict[str, str]]) -> list[int]:
    """Of one browser's requests, one after another."""
    found, jar = [], aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        for address, headers in requests:
            async with session.get(address, headers=headers) as answer:
                found.append(answer.status)
    return found


def test_two_pages_of_one_machine_keep_their_own_tokens(page_of):
    with page_of("127.0.0.1", "first") as one, page_of("127.0.0.1", "second") as two:
        again = [(one.address, {}), (two.address, {}), (f"{one.base}/", {}), (f"{two.base}/", {})]
        assert one.run(statuses(*again)) == [200, 200, 200, 200]


@pytest.mark.parametrize(
    ("host", "name", "status"),
    [
        ("0.0.0.0", "127.0.0.1:80", 200),  # the number at which the test reaches it
        ("0.0.0.0", f"{socket.gethostname().upper()}:80", 200),
        ("0.0.0.0", f"{socket.gethostname()}.local", 200),
        ("0.0.0.0", "192.0.2.7:80", 403),
        ("0.0.0.0", "example.org", 403),
        ("127.0.0.1", socket.gethostname(), 403),
        ("Heads.example.org", "heads.example.org", 200),
        ("2001:db8::5", "[2001:db8::5]:80", 200),
        ("2001:DB8:0:0::5", "[2001:db8::5]", 200),
        ("2001:db8::5", "[2001:db8::6]:80", 403),
        ("::1", "[::1]:80", 200),
        ("::", f"{socket.gethostname()}:80", 200),
        ("::", "[2001:db8::5]:80", 403),
    ],
)
def test_a_page_that_is_served_everywhere_answers_to_this_machines_names(
    page_of, host, name, status
):
    with page_of(host, "token") as page:
        assert page.run(statuses((page.address, {"Host": name}))) == [status]


def test_a_page_behind_a_proxy_answers_to_its_name_and_to_its_origin_alone(page_of):
    with page_of("127.0.0.1", "token", names=["Heads.example.org"]) as page:
        asked = [
            {"Host": "heads.example.org", "Origin": "https://heads.example.org"},
            {"Host": "heads.example.org", "Origin": "http://heads.example.org"},
            {"Host": "heads.example.org", "Origin": "https://example.org"},
            {"Host": "example.org", "Origin": "https://example.org"},
        ]
        found = page.run(statuses(*((page.address, headers) for headers in asked)))
    assert found == [200, 200, 403, 403]


@pytest.mark.parametrize("name", ["https://heads.example.org", "heads.example.org:443", ""])
def test_a_name_of_a_page_is_no_address(name):
    with pytest.raises(ValueError, match="names="):
        names_of("127.0.0.1", [name])


@pytest.fixture
def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")


@pytest.mark.usefixtures("has_ipv6")
@pytest.mark.parametrize("host", ["::", "::1"])
def test_a_page_of_ipv6_is_opened_at_the_number_that_it_is_reached_at(page_of, host):
    with page_of(host, "token", at=host) as page:
        assert page.run(statuses((page.address, {}))) == [200]


def test_the_printed_address_is_one_that_can_be_opened():
    assert printable("127.0.0.1") == "127.0.0.1"
    assert printable("0.0.0.0") not in ("0.0.0.0", "::")
    assert printable("::1") == "[::1]"
    assert printable("2001:DB8::5") == "[2001:db8::5]"
    in_use = unservable("2001:db8::5", 80, OSError(98, "in use"))
    assert str(in_use).startswith("can't serve at [2001:db8::5]:80 (in use)")


class Probe:
    """A socket whose machine has no route, or the address `ours`."""

    ours: tuple[str, ...] | None = None
    kinds: tuple[int, ...] = ()

    def __init__(self, kind: int, _: int) -> None:
        Probe.kinds += (kind,)

    def __enter__(self) -> "Probe":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def connect(self, _: tuple[str, int]) -> None:
        if self.ours is None:
            raise OSError(101, "Network is unreachable")

    def getsockname(self) -> tuple[str, ...] | None:
        return self.ours


def test_what_is_served_everywhere_is_printed_with_an_address_of_its_own_kind(monkeypatch):
    """asyncio listens on IPv6 only at `::`: a number of IPv4 wouldn't answer."""
    monkeypatch.setattr(socket, "socket", Probe)
    monkeypatch.setattr(Probe, "kinds", ())
    assert [printable("0.0.0.0"), printable("::")] == ["127.0.0.1", "[::1]"]
    assert Probe.kinds == (socket.AF_INET, socket.AF_INET6)
    monkeypatch.setattr(Probe, "ours", ("2001:db8::7", 40000, 0, 0))
    assert printable("::") == "[2001:db8::7]"


def test_others_reach_every_host_but_the_loopback():
    assert [is_loopback(host) for host in ("127.0.0.1", "localhost", "::1")] == [True] * 3
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "2001:db8::5")] == [False] * 3


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (b"no picture", 422, "not a picture"),
        (b"", 422, "empty"),
        (b"\x00" * 1_100_000, 413, "larger than 1 MB"),
        (declared(30_000, 30_000), 422, "megapixels"),
        (declared(4, 4), 422, "too few"),
    ],
)
def test_a_file_that_is_no_photograph_gets_one_sentence(served, content, status, sentence):
    got, said = refusal(served, "/photographs", method="POST", data=content)
    assert got == status
    assert sentence in said
    assert "\n" not in said


def test_the_oldest_photograph_leaves_when_there_are_too_many(served):
    numbers = [add(served)["number"] for _ in range(5)]
    assert len(served.viewer.photographs) == served.viewer.photographs.most == 4
    status, sentence = refusal(served, f"/photographs/{numbers[0]}/photograph.jpg")
    assert status == 404
    assert "add it again" in sentence
    assert talk(served, {"photograph": numbers[0], "contender": "student"})[0][0]["kind"] == "error"


def test_a_frame_follows_the_camera(served):
    number = add(served)["number"]
    wanted = {"photograph": number, "contender": "student"}
    frames = talk(served, wanted, wanted, {**wanted, "yaw_deg": 40}, {**wanted, "shown": "depth"})
    assert [header["kind"] for header, _ in frames] == ["frame"] * 4
    pictures = [content for _, content in frames]
    assert pictures[0] == pictures[1]
    assert len(set(pictures)) == 3
    assert Image.open(io.BytesIO(pictures[0])).format == "JPEG"


def test_the_limits_of_rays_follow_the_distance(served):
    number = add(served)["number"]
    near, far = (
        Image.open(io.BytesIO(content)).convert("L")
        for _, content in talk(
            served,
            *(
                {"photograph": number, "contender": "student", "distance": d, "fov_deg": fov}
                for d, fov in ((1.0, 12.0), (2.0, 6.0))
            ),
        )
    )
    # twice as far with half the angle: the same head, flatter; it isn't cut away
    assert np.abs(np.asarray(near, float) - np.asarray(far, float)).mean() < 40


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        "[1, 2]",
        {"photograph": "x"},
        {"photograph": 1, "contender": "student", "yaw_deg": "left"},
        {"photograph": 1, "contender": "student", "shown": "secrets"},
        {"photograph": 10**6, "contender": "student"},
        {"photograph": 1, "contender": "nobody"},
    ],
)
def test_a_malformed_message_is_answered_and_the_socket_stays_open(served, message):
    number = add(served)["number"]
    (bad, _), (good, _) = talk(served, message, {"photograph": number, "contender": "student"})
    assert bad["kind"] == "error"
    assert bad["error"]
    assert good["kind"] == "frame"


def test_a_slow_method_starts_when_asked_tells_its_steps_and_keeps_frames_coming(served):
    number = add(served)["number"]
    slow, fast = ({"photograph": number, "contender": name} for name in ("patient", "student"))
    idle, started = (header for header, _ in talk(served, slow, {**slow, "start": True}))
    assert [idle["kind"], started["kind"]] == ["idle", "progress"]
    told, frames = [started], 0
    while told[-1]["kind"] == "progress":
        (of_fast, _), (of_slow, _) = talk(served, fast, slow)
        frames += of_fast["kind"] == "frame"
        told.append(of_slow)
    assert told[-1]["kind"] == "frame"
    steps = [header["step"] for header in told[:-1] if header["steps"]]
    assert steps == sorted(steps)
    assert {header["steps"] for header in told[:-1]} <= {0, 60}
    assert frames == len(told) - 1 >= 2


def test_a_square_made_by_hand_is_lifted_instead(served):
    number = add(served)["number"]
    wanted = {"photograph": number, "contender": "student"}
    before = talk(served, wanted)[0][1]
    crop = {"left": 20, "top": 4, "size": 24, "roll_deg": 10}
    status, body, _ = ask(
        served, f"/photographs/{number}/crop", method="PUT", data=json.dumps(crop)
    )
    assert status == 200
    assert json.loads(body)["crop"] == crop
    assert talk(served, wanted)[0][1] != before


@pytest.mark.parametrize(
    "crop",
    [
        "{}",
        "[]",
        "not JSON",
        '{"left": 0, "top": 0, "size": 1e9, "roll_deg": 0}',
        '{"left": NaN, "top": 0, "size": 20, "roll_deg": 0}',
        '{"left": 9000, "top": 0, "size": 20, "roll_deg": 0}',
    ],
)
def test_a_square_that_is_none_is_refused(served, crop):
    number = add(served)["number"]
    status, sentence = refusal(served, f"/photographs/{number}/crop", method="PUT", data=crop)
    assert status == 422
    assert "crop" in sentence


def test_what_was_lifted_can_be_downloaded(served):
    number = add(served)["number"]
    base = f"/photographs/{number}/student"
    status, body, headers = ask(served, f"{base}/picture.png?yaw_deg=20")
    assert status == 200
    assert Image.open(io.BytesIO(body)).format == "PNG"
    assert headers["Content-Disposition"] == 'attachment; filename="a_image.png"'
    assert ask(served, f"{base}/triplane.safetensors")[1][8:9] == b"{"
    assert ask(served, f"{base}/turntable")[0] == 200
    assert refusal(served, f"/photographs/{number}/patient/picture.png")[0] == 409
    assert refusal(served, f"/photographs/{number}/nobody/picture.png")[0] == 404
    assert refusal(served, f"{base}/picture.png?yaw_deg=left")[0] == 422


def test_ten_uploads_at_once_are_all_answered(served):
    async def uploaded() -> list[int]:
        async with aiohttp.ClientSession(cookies=pass_of(served)) as session:
            posts = [session.post(f"{served.base}/photographs", data=png()) for _ in range(10)]
            return [answer.status for answer in await asyncio.gather(*posts)]

    assert served.run(uploaded()) == [200] * 10
    assert not served.viewer.receiving.locked()
    with pytest.raises(ValueError, match=r"limits.uploads is 0: give at least 1"):
        Limits(uploads=0)


def test_who_leaves_during_an_upload_leaves_no_traceback(served, caplog):
    place = served.base.removeprefix("http://")
    with socket.create_connection(place.split(":")) as leaving:
        head = f"POST /photographs?token={served.viewer.token} HTTP/1.1\r\nHost: {place}\r\n"
        leaving.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
        time.sleep(0.3)
        # a reset, as of a program that was killed
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.3)
    assert ask(served, "/state")[0] == 200
    assert "Error handling request" not in caplog.text


def test_ten_pages_at_once_are_served_and_the_thirteenth_is_refused(served):
    number = add(served)["number"]

    async def page(session, count):
        async with session.ws_connect(served.base + "/frames") as socket:
            for turn in range(count):
                await socket.send_str(
                    json.dumps({"photograph": number, "contender": "student", "yaw_deg": turn})
                )
                await socket.receive_bytes(timeout=30)
        return count

    async def pages():
        async with aiohttp.ClientSession(cookies=pass_of(served)) as session:
            drawn = await asyncio.gather(*(page(session, 5) for _ in range(10)))
            sockets = [await session.ws_connect(served.base + "/frames") for _ in range(12)]
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(served.base + "/frames")
            for socket in sockets:
                await socket.close()
            return drawn, refused.value.status

    assert served.run(pages()) == ([5] * 10, 503)
