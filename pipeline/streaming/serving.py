"""A sender and its server, for as long as there is something to send."""

import asyncio
import contextlib
import signal
from collections.abc import Callable

from aiohttp import web

from pipeline.pages import printable, unservable

from .sender import Sender
from .server import application

LINGER_SECONDS = 0.5
"""After the last frame, so that what is queued arrives."""


async def serve(sender: Sender, host: str, port: int, say: Callable[[str], None]) -> None:
    """Serves until the source ends.

    Raises:
        ValueError: the address can't be served, or the sender can't start.
    """
    runner = web.AppRunner(application(sender.broadcast), access_log=None, shutdown_timeout=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            raise unservable(host, port, error) from error
        bound = runner.addresses[0][1]
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, stop.set)
        await asyncio.to_thread(sender.start)
        say(f"open http://{printable(host)}:{bound}/?token={sender.broadcast.token} (Ctrl-C ends)")
        try:
            while not sender.ended.is_set() and not stop.is_set():
                await asyncio.sleep(0.1)
            await asyncio.sleep(LINGER_SECONDS)
        finally:
            await asyncio.to_thread(sender.close)
    finally:
        await runner.cleanup()
