"""A page's server on a port of its own, with the bundled student and a method that takes steps."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from aiohttp import web

from pipeline.inference.pretrained import student_file
from pipeline.inversion.models import Models
from pipeline.inversion.progress import tell
from pipeline.inversion.student import Student
from pipeline.lifter import Lifter
from pipeline.portraits.framing import CentreSquare
from pipeline.viewer import drawing
from pipeline.viewer.photographs import Photographs
from pipeline.viewer.server import application
from pipeline.viewer.state import Limits, Viewer
from pipeline.viewer.workbench import Contender, Workbench

STEPS = 60


class Patient(Student):
    """Lifts as the student does, in many small steps."""

    name = "patient"

    def lift(self, image, camera=None):
        for step in range(STEPS):
            time.sleep(0.02)
            tell("searching", step + 1, STEPS)
        return super().lift(image, camera)


@dataclass
class Served:
    viewer: Viewer
    base: str
    loop: asyncio.AbstractEventLoop

    @property
    def address(self) -> str:
        return f"{self.base}/?token={self.viewer.token}"

    def run(self, coroutine):
        """The result of a coroutine on the server's loop (playwright occupies this thread's)."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    models = Models(student=lambda: Lifter.load(student_file("bundled/puppets_tiny")))
    contenders = [
        Contender("student", lambda: Student(models=models)),
        Contender("patient", lambda: Patient(models=models), is_slow=True),
    ]
    viewer = Viewer(
        Photographs(CentreSquare(), most=4, background=1.0),
        Workbench(contenders),
        Limits(upload_megabytes=1, pages=12, turntable_frames=2, mesh_resolution=32),
        hosts=("127.0.0.1",),
        about="A student of tests",
    )
    full_rays, drawing.STILL_RAYS = drawing.STILL_RAYS, 64
    loop, ready, ports = asyncio.new_event_loop(), threading.Event(), []

    async def start() -> web.AppRunner:
        runner = web.AppRunner(application(viewer), access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
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
    yield Served(viewer, f"http://127.0.0.1:{ports[0]}", loop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    drawing.STILL_RAYS = full_rays
