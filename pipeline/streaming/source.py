"""Where frames come from: a film, a folder of pictures, or a camera, at their own pace."""

import itertools
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.portraits.files import find_photographs
from pipeline.portraits.film import DEMUXERS, read_pictures
from pipeline.portraits.photograph import read_photograph

from .codecs import require_av
from .mailbox import Mailbox, now_us

CAMERA = "camera"
CAMERA_FORMATS = {"linux": "v4l2", "darwin": "avfoundation", "win32": "dshow"}


@dataclass(frozen=True)
class Captured:
    """A frame and when it was captured, µs.

    Attributes:
        rate: frames a second of a camera that says so; None: the source's.
    """

    number: int
    image: Image.Image
    stamp: int
    rate: float | None = None


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is streamed.

    Attributes:
        name: a film's file, a folder of pictures (in the order of their names), or camera:NAME
            (camera:/dev/video0).
        frames_per_second: how fast films and folders are played, and what is taken for the rate of
            a camera that doesn't say it.
        loop: whether they start again at their end.
        background: grey level in [0, 1] behind transparent pixels.
    """

    name: str
    frames_per_second: float = 30.0
    loop: bool = False
    background: float = 1.0

    def check(self) -> None:
        """Raises FileNotFoundError or ValueError if there is no such source."""
        if not self.name.startswith(f"{CAMERA}:"):
            find_photographs(Path(self.name))

    def require_spared(self, file: Path) -> None:
        """Raises ValueError if a new `file` would replace what is played or add to its folder."""
        if self.is_live:
            return
        source, written = Path(self.name), file.resolve()
        played = [source, *(source.iterdir() if source.is_dir() else ())]
        if written.parent == source.resolve() or written in (each.resolve() for each in played):
            raise ValueError(f"record={file} belongs to input={source}: give another file")

    def play(self, box: Mailbox[Captured], stop: threading.Event) -> None:
        """Puts every frame into `box` when it is due, until the end or `stop`; then closes it, with
        the error if there was one.
        """
        error = None
        try:
            started = time.monotonic()
            for number, (image, rate) in enumerate(self._images()):
                if self.is_live:
                    started = time.monotonic() - number / self.frames_per_second
                due = started + number / self.frames_per_second
                if stop.wait(max(0.0, due - time.monotonic())):
                    return
                box.put(Captured(number, image, now_us(), rate))
        except Exception as raised:  # this thread has nobody to tell: who empties the box has
            error = raised
        finally:
            box.close(error)

    @property
    def is_live(self) -> bool:
        """Whether it has a pace of its own."""
        return self.name.startswith(f"{CAMERA}:")

    def _images(self) -> Iterator[tuple[Image.Image, float | None]]:
        if self.is_live:
            yield from _camera(self.name.split(":", 1)[1])
            return
        for _ in itertools.count() if self.loop else range(1):
            yield from ((image, None) for image in self._once())

    def _once(self) -> Iterator[Image.Image]:
        path = Path(self.name)
        if path.suffix.lower() in DEMUXERS and path.is_file():
            with _naming(path):
                yield from (image for _, image in read_pictures(path, background=self.background))
            return
        for file in find_photographs(path):
            with _naming(file):
                image = read_photograph(file.read_bytes(), background=self.background)
            yield image


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Says which of the files can't be read."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise ValueError(f"{file}: {error}") from error


def _camera(device: str) -> Iterator[tuple[Image.Image, float | None]]:
    """Frames of a camera by FFmpeg's device of this system, and their rate if it says a likely one.

    Raises:
        ValueError: it can't be opened, or is gone.
    """
    av = require_av("h264", "r")
    kind = CAMERA_FORMATS.get(sys.platform, "v4l2")
    try:
        container: Any = av.open(device, format=kind)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ValueError(f"camera {device!r} can't be opened by {kind}: {error}") from error
    with container:
        said = float(container.streams.video[0].average_rate or 0)
        rate = said if 1 <= said <= 240 else None  # some devices say the rate of their clock
        try:
            for frame in container.decode(video=0):
                yield frame.to_image(), rate
        except av.FFmpegError as error:
            raise ValueError(f"camera {device!r} gives no more frames: {error}") from error


def in_thread(run: Callable[[], None], name: str) -> threading.Thread:
    """Starts a thread that ends with the process."""
    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
