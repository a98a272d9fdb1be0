"""A server of aiohttp on a port and a loop of its own, for tests of pages."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web


@dataclass
class ServedPage:
    base: str
    token: str
    loop: asyncio.AbstractEventLoop

    @property
    def address(self) -> str:
        return f"{self.base}/?token={self.token}"

    def run(self, coroutine):
        """The result of a coroutine on the server's loop (playwright occupies this thread's)."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)


@contextmanager
def served_page(app: web.Application, token: str, host: str = "127.0.0.1") -> Iterator[ServedPage]:
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), []

    async def start() -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, host, 0).start()
        ports.append(runner.addresses[0][1])
        ready.set()
        return runner

    def serve() -> None:
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(20)
    reached = "[::1]" if ":" in host else "127.0.0.1"
    yield ServedPage(f"http://{reached}:{ports[0]}", token, loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
