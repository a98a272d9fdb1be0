"""What the handlers of the page share."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from aiohttp import web

from pipeline.manifests.signatory import Signatory

from .photographs import Photograph, Photographs
from .workbench import Workbench

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the page may use.

    Attributes:
        upload_megabytes: of one photograph's file.
        upload_seconds: until it has arrived.
        uploads: received at once; others wait.
        pages: that are open at once.
        turntable_frames: of a film.
        mesh_resolution: samples of a mesh along a side of the box.

    Raises:
        ValueError: there may be none of something.
    """

    upload_megabytes: int | float = 25
    upload_seconds: int | float = 60
    uploads: int = 4
    pages: int = 16
    turntable_frames: int = 48
    mesh_resolution: int = 192

    def __post_init__(self) -> None:
        for name in ("uploads", "pages", "turntable_frames"):
            if (value := getattr(self, name)) < 1:
                raise ValueError(f"limits.{name} is {value}: give at least 1")


@dataclass
class Viewer:
    """What the handlers share.

    Attributes:
        photographs: on the page.
        workbench: computes.
        limits: of uploads and pages.
        hosts: names under which the page may be asked for: others are refused, so that no foreign
            site reaches it by a name that it controls.
        token: whoever has it may use the page.
        about: a sentence for the page: student, licence.
        fov_deg: field of view of the first contender's teacher.
        signatory: contender → what signs its downloads; None: nothing does.
        receiving: lets so many uploads in.
        label: is written on downloaded pictures and films; None: nothing.
    """

    photographs: Photographs
    workbench: Workbench
    limits: Limits
    hosts: tuple[str, ...]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    about: str = ""
    fov_deg: float = 13.4
    signatory: Callable[[str], Signatory | None] = lambda contender: None
    label: str | None = None
    pages: int = 0
    receiving: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.receiving = asyncio.Semaphore(self.limits.uploads)

    async def compute(self, urgency: int, run: Callable[[], T]) -> T:
        """The result of a job on the workbench's thread."""
        future: Future[T] = self.workbench.submit(urgency, run)
        return await asyncio.wrap_future(future)


VIEWER: web.AppKey[Viewer] = web.AppKey("viewer", Viewer)


def photograph_of(request: web.Request) -> Photograph:
    """That of the number in the address; HTTPNotFound if it isn't held."""
    number = int(request.match_info["number"])
    try:
        return request.app[VIEWER].photographs[number]
    except KeyError:
        raise web.HTTPNotFound(text="this photograph isn't held any more: add it again") from None
