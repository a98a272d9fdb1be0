"""Ten minutes of a stream with ten viewers: does anything grow?

Run it by `python -m tests.benchmarks.stream_soak`: a sender (`trilift stream`, three processes), a
native receiver, seven viewers that read everything, one that reads a packet a second, one that
vanishes without a word and comes back every five seconds. Prints the memory of all processes each
minute, and what each kind of viewer got.
"""

import argparse
import asyncio
import contextlib
import os
import re
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp
import torch

from tests.benchmarks.stream_network import STREAM, film


def main() -> None:
    """Starts sender and receiver, watches, prints."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        clip = film(Path(folder))
        settings = (f"input={clip}", "portraits=whole", "loop=true", "port=8093", "threads=1")
        sender = subprocess.Popen(
            [*STREAM, *settings, "kernels=fast", "frames_per_second=10"],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert sender.stdout is not None
        said = next(line for line in sender.stdout if line.startswith("open "))
        address = re.findall(r"http\S+", said)[0]
        seconds = 60 * given.minutes
        receiver = subprocess.Popen(
            [*STREAM, f"address='{address}'", f"seconds={seconds + 60}", "threads=1"],
            stdout=subprocess.DEVNULL,
            env=environment,
        )
        try:
            asyncio.run(watched(address, seconds, {"sender": sender.pid, "receiver": receiver.pid}))
        finally:
            for process in (receiver, sender):
                process.terminate()
                process.wait(20)


async def watched(address: str, seconds: float, roots: dict[str, int]) -> None:
    """Viewers at work, and a row a minute."""
    socket = address.replace("http:", "ws:").replace("/?", "/stream?")
    counts: Counter[str] = Counter()
    async with aiohttp.ClientSession() as session:
        kinds = [eager] * 7 + [slow, vanishing]
        tasks = [asyncio.create_task(kind(session, socket, counts)) for kind in kinds]
        started = time.monotonic()
        while time.monotonic() - started < seconds + 1:
            held = {name: [memory(pid) for pid in tree(root)] for name, root in roots.items()}
            shown = "; ".join(
                f"{name} {' + '.join(f'{one:.0f}' for one in each)} MB"
                for name, each in held.items()
            )
            state = await (await session.get(address.replace("/?", "/state?"))).json()
            dropped = sum(viewer["dropped"] for viewer in state["viewers"])
            waiting = max((viewer["waits"] for viewer in state["viewers"]), default=0)
            print(
                f"{(time.monotonic() - started) / 60:.1f} min: {shown}; {len(state['viewers'])}"
                f" viewers, {dropped} packets dropped for them, {waiting} wait at most;"
                f" read {dict(counts)}",
                flush=True,
            )
            await asyncio.sleep(10 if time.monotonic() - started < 20 else min(60.0, seconds))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def eager(session: aiohttp.ClientSession, socket: str, counts: "Counter[str]") -> None:
    """Reads everything."""
    async with session.ws_connect(socket, max_msg_size=1 << 23) as connection:
        async for _ in connection:
            counts["eager"] += 1


async def slow(session: aiohttp.ClientSession, socket: str, counts: "Counter[str]") -> None:
    """Reads a packet a second, through buffers of a few packets."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with session.ws_connect(socket, max_msg_size=1 << 23) as connection:
                transport = connection._response.connection.transport  # type: ignore[union-attr]
                while not connection.closed:
                    transport.pause_reading()
                    await asyncio.sleep(1)
                    transport.resume_reading()
                    await connection.receive()
                    counts["slow"] += 1
        counts["slow was disconnected"] += 1


async def vanishing(session: aiohttp.ClientSession, socket: str, counts: "Counter[str]") -> None:
    """Ends its connection without closing it properly, comes back."""
    while True:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            async with session.ws_connect(socket, max_msg_size=1 << 23) as connection:
                for _ in range(5):
                    await connection.receive()
                connection._response.connection.transport.abort()  # type: ignore[union-attr]
        counts["vanished"] += 1
        await asyncio.sleep(5)


def tree(root: int) -> list[int]:
    """A process and its children, which any of its threads may have started."""
    lists = Path(f"/proc/{root}/task").glob("*/children")
    return [root, *sorted(int(child) for each in lists for child in each.read_text().split())]


def memory(pid: int) -> float:
    """Resident, MB; 0 if it is gone."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0


if __name__ == "__main__":
    main()
