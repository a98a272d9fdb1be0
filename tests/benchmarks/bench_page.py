"""The page of `trilift view`, measured: `python -m tests.benchmarks.bench_page frames|abuse`.

`frames`: a head as frames of the server (JPEG) and as a mesh in WebGL: bytes and milliseconds of a
frame at the same size, bytes and seconds before the first. `abuse`: ten clients at once upload
large photographs, bombs, damaged and oversized files and ask for frames; answers, peak memory, and
after each round what the C library has handed out (live), and what is left when it gives back the
rest.
"""

import asyncio
import io
import json
import os
import random
import re
import signal
import statistics
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path

SIZES = (64, 192, 512)
CLIENTS, ROUNDS = 10, 5

SERVER = """
import ctypes, gc, signal

class Told(ctypes.Structure):  # struct mallinfo2
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]

library = ctypes.CDLL(None)
library.mallinfo2.restype = Told

def tell(*_):
    gc.collect()
    told = library.mallinfo2()
    library.malloc_trim(0)
    print("live", (told.uordblks + told.hblkhd) / 1e6, flush=True)

signal.signal(signal.SIGUSR1, tell)
from pipeline.build.configuration import compose
from pipeline.verbs import view
view.main(compose("view", "port=8299", "device=cpu"))
"""
"""`trilift view` that says on a signal how much memory it has asked for and not freed, in MB."""


def frames() -> None:
    """Prints a row for each way and size."""
    import torch
    from PIL import Image

    from pipeline.exporters.field import Field
    from pipeline.exporters.glb import glb
    from pipeline.exporters.head_mesh import MeshSettings, head_mesh
    from pipeline.inference import Reconstructor
    from pipeline.viewer import drawing

    reconstructor = Reconstructor.from_pretrained("bundled/puppets_tiny", device="cpu")
    portrait = reconstructor.lift(Image.open(example()))
    for size in SIZES:
        drawing.STILL_RAYS = size
        turns = [
            drawing.View(yaw_deg=float(yaw)) for yaw in range(-30, 31, 6 if size < 512 else 20)
        ]
        drawing.encoded(drawing.draw(portrait, turns[0]))  # warm
        spent, lengths, busy = [], [], time.process_time()
        for view in turns:
            started = time.perf_counter()
            content = drawing.encoded(drawing.draw(portrait, view))
            spent.append(1000 * (time.perf_counter() - started))
            lengths.append(len(content))
        busy = 1000 * (time.process_time() - busy) / len(turns)
        print(
            f"server {size}²: {statistics.median(spent):.1f} ms a frame (processor: {busy:.1f} ms),"
            f" {statistics.mean(lengths) / 1e3:.1f} kB a frame, {torch.get_num_threads()} threads",
            flush=True,
        )
    for resolution, faces in ((192, None), (192, 20_000)):
        started = time.perf_counter()
        content = glb(head_mesh(Field(portrait), MeshSettings(resolution=resolution, faces=faces)))
        seconds = time.perf_counter() - started
        made = f"mesh {resolution}³, {faces or 'all'} faces: {seconds:.1f} s"
        made += f", {len(content) / 1e3:.0f} kB once"
        for size in SIZES:
            milliseconds = webgl_milliseconds(content, size)
            print(f"{made}; WebGL {size}²: {milliseconds:.1f} ms a frame", flush=True)


PAGE = b"""<!doctype html>
<script type="importmap">{"imports": {"three": "/build/three.module.js"}}</script>
<script type="module">
import * as THREE from "three";
import {GLTFLoader} from "/examples/jsm/loaders/GLTFLoader.js";
window.milliseconds = async (size) => {
  const renderer = new THREE.WebGLRenderer({antialias: true});
  renderer.setSize(size, size, false);
  const scene = new THREE.Scene(), camera = new THREE.PerspectiveCamera(13.4, 1, 0.01, 10);
  scene.add((await new GLTFLoader().loadAsync("/head.glb")).scene);
  const spent = [], gl = renderer.getContext(), pixel = new Uint8Array(4);
  for (let turn = 0; turn < 15; turn++) {
    camera.position.set(1.085 * Math.sin(turn / 10), 0, 1.085 * Math.cos(turn / 10));
    camera.lookAt(0, 0, 0);
    const started = performance.now();
    renderer.render(scene, camera);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);  // waits until it is drawn
    spent.push(performance.now() - started);
  }
  return spent.slice(3);
};
window.ready = true;
</script>"""


def webgl_milliseconds(content: bytes, size: int) -> float:
    """The median time of a frame of a GLB in three.js."""
    from tests.browser import chromium
    from tests.npm import three_js

    files = {**three_js(), "": PAGE, "head.glb": content}
    origin = "http://head.test/"
    with chromium("--enable-unsafe-swiftshader", "--use-angle=swiftshader") as browser:
        page = browser.new_page()

        def answer(route):
            name = route.request.url.removeprefix(origin)
            kind = "text/html" if name == "" else "text/javascript"
            body = files.get(name)
            route.fulfill(status=404 if body is None else 200, body=body, content_type=kind)

        page.route("**/*", answer)
        page.goto(origin)
        page.wait_for_function("window.ready")
        return statistics.median(page.evaluate("size => milliseconds(size)", size))


def example() -> Path:
    """The astronaut."""
    import pipeline.evaluation

    return Path(pipeline.evaluation.__file__).parent / "examples" / "astronaut.jpg"


def uploads() -> dict[str, bytes]:
    """What the clients send, by name."""
    from PIL import Image

    def large(width: int, height: int, kind: str) -> bytes:
        buffer = io.BytesIO()
        Image.open(example()).resize((width, height)).save(buffer, kind)
        return buffer.getvalue()

    def declared(width: int, height: int, rows: int) -> bytes:
        """A PNG of grey zeros: tiny as a file, large when it is decoded."""

        def chunk(kind: bytes, data: bytes) -> bytes:
            check = struct.pack(">I", zlib.crc32(kind + data))
            return struct.pack(">I", len(data)) + kind + data + check

        packer = zlib.compressobj(9)
        data = b"".join(packer.compress(bytes(width * 3 + 1)) for _ in range(rows)) + packer.flush()
        header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        return (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", data)
            + chunk(b"IEND", b"")
        )

    photograph = large(4000, 3000, "JPEG")
    return {
        "12 megapixels": photograph,
        "63 megapixels of zeros": declared(7900, 7900, 7900),
        "900 megapixels declared": declared(30_000, 30_000, 10),
        "26 MB": b"\xff\xd8\xff" + bytes(26_000_000),
        "text": b"no picture at all" * 1000,
        "half a photograph": photograph[: len(photograph) // 2],
        "empty": b"",
    }


async def client(base: str, token: str, number: int, answers: Counter[str]) -> None:
    """Uploads everything in an order of its own, and asks for frames of what was accepted."""
    import aiohttp

    order = list(uploads().items())
    random.Random(number).shuffle(order)
    patient = aiohttp.ClientTimeout(total=None, sock_connect=None)
    async with aiohttp.ClientSession(cookies={"trilift": token}, timeout=patient) as session:
        for name, content in order:
            async with session.post(f"{base}/photographs?name=a.png", data=content) as answer:
                body = await answer.json()
            answers[f"{name}: {answer.status} {body.get('error', 'accepted')}"] += 1
            if "number" not in body:
                continue
            async with session.ws_connect(f"{base}/frames") as socket:
                for turn in range(3):
                    ask = {"photograph": body["number"], "yaw_deg": 9 * turn, "moving": True}
                    await socket.send_str(json.dumps({**ask, "contender": "bundled puppets_tiny"}))
                    message = await socket.receive_bytes()
                    size = int.from_bytes(message[:2], "big")
                    header = json.loads(message[2 : 2 + size])
                    answers[f"frame: {header['kind']} {header.get('error', '')}"] += 1


def memory(process: int, key: str) -> float:
    """Megabytes, from the kernel's account of a process."""
    text = Path(f"/proc/{process}/status").read_text()
    found = re.search(rf"{key}:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) / 1e3


def abuse() -> None:
    """Prints memory before, at its peak and after, and the answers with their counts."""
    command = [sys.executable, "-c", SERVER]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        lines = iter(server.stdout.readline, "")
        address = next(line for line in lines if line.startswith("open "))
        base, token = re.findall(r"(http://\S+)/\?token=(\S+)", address)[0]
        before = memory(server.pid, "VmRSS")
        answers: Counter[str] = Counter()

        async def all_of_them() -> None:
            await asyncio.gather(*(client(base, token, n, answers) for n in range(CLIENTS)))

        print(f"{before:.0f} MB before", flush=True)
        for number in range(1, ROUNDS + 1):
            started = time.perf_counter()
            asyncio.run(all_of_them())
            print(
                f"round {number}: {CLIENTS} clients, {time.perf_counter() - started:.0f} s,"
                f" {memory(server.pid, 'VmHWM'):.0f} MB at most,"
                f" {memory(server.pid, 'VmRSS'):.0f} MB after;"
                f" the server {'runs' if server.poll() is None else 'has ended'}",
                flush=True,
            )
            server.send_signal(signal.SIGUSR1)
            live = next(line for line in lines if line.startswith("live "))
            print(
                f"  live {float(live.split()[1]):.0f} MB,"
                f" {memory(server.pid, 'VmRSS'):.0f} MB when the rest is given back",
                flush=True,
            )
        for answer, count in sorted(answers.items()):
            print(f"{count:4} × {answer}")
    finally:
        server.terminate()
        server.wait(20)


if __name__ == "__main__":
    {"frames": frames, "abuse": abuse}[sys.argv[1]]()
