"""The sender's first process: frames → crops → planes → pictures of levels."""

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.inference.reconstructor import Reconstructor
from pipeline.portraits.face import Picture
from pipeline.portraits.framing import FaceCrops, Framed, Framing
from pipeline.portraits.hooks.chain import Hooks
from pipeline.portraits.live_track import LiveFace

from .codecs import Levels
from .header import StreamHeader, scene_of
from .mailbox import Mailbox, now_us
from .normalisation import Normalisation, calibrate
from .process import Process
from .recording import is_recording, read_recording
from .source import Captured, Source, in_thread
from .tiling import Grid

CALIBRATION_FRAMES = 8
"""From which a normalisation is made where the student has none beside it."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LiftSettings:
    """What the process is told.

    Attributes:
        student: file of the student.
        source: of the frames.
        framing: finds the square of a frame; a frame without a face takes the last one.
        hooks: edit each square after it was cut.
        codec: of the stream.
        normalisation: None: made from the first frames.
        kernels, runtime, bfloat16, device: as for `Reconstructor.from_pretrained`.
        threads: of torch; None: its own choice.
        trust: packages whose code the student may name.
    """

    student: Path
    source: Source
    framing: Framing
    hooks: Hooks = field(default_factory=Hooks)
    codec: str = "h264"
    normalisation: Normalisation | None = None
    kernels: str = "auto"
    runtime: str = "torch"
    bfloat16: bool = False
    device: str = "cpu"
    threads: int | None = None
    trust: tuple[str, ...] = ()


@dataclass(frozen=True)
class LiftedFrame:
    """A picture to code.

    Attributes:
        number: of the captured frame.
        picture: levels.
        stamps: captured, tracked, lifted, µs.
    """

    number: int
    picture: Levels
    stamps: tuple[int, int, int]


class LiftProcess:
    """Lifts in a process of its own; iterating gives frames until the source ends.

    Attributes:
        header: of the stream, after `start`.
        dropped: frames that came too late to be sent.
    """

    header: StreamHeader

    def __init__(self, settings: LiftSettings) -> None:
        self.settings, self.dropped = settings, 0
        self._is_closed = False

    def start(self) -> "LiftProcess":
        """Waits until the first frames are lifted.

        Raises:
            ValueError: what the process says.
        """
        self._process = Process(_lift, self.settings)
        self._connection = self._process.connection
        try:
            header = self._connection.recv()
        except EOFError as error:
            self.close()
            raise ValueError("the lifting process ended before its first frame") from error
        if isinstance(header, BaseException):
            self.close()
            raise header
        self.header = header
        return self

    def __iter__(self) -> Iterator[LiftedFrame]:
        while True:
            try:
                frame = self._connection.recv()
                while frame is not None and self._connection.poll():
                    newer = self._connection.recv()
                    self.dropped += newer is not None
                    if newer is None:  # the end: this frame is still sent
                        yield frame
                    frame = newer
            except (EOFError, OSError) as error:
                if self._is_closed:
                    return
                raise ValueError(
                    f"the lifting process died ({self._process.ending}) before the source's end"
                ) from error
            if frame is None:
                return
            if isinstance(frame, BaseException):
                raise frame
            yield frame

    def close(self) -> None:
        """Ends the process."""
        self._is_closed = True
        self._process.close()


def _lift(connection: Connection, settings: LiftSettings) -> None:
    stop = threading.Event()
    try:
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        for thing in _things(settings, stop):
            connection.send(thing)
        connection.send(None)
    except (BrokenPipeError, ConnectionResetError):
        pass
    except (ValueError, OSError, RuntimeError) as error:
        connection.send(ValueError(str(error)))
    finally:
        stop.set()


def _things(settings: LiftSettings, stop: threading.Event) -> Iterator[Any]:
    """The header, then frames."""
    if is_recording(Path(settings.source.name)):
        yield from _replayed(settings)
        return
    lifting = Lifting(settings)
    box: Mailbox[Captured] = Mailbox()
    in_thread(lambda: settings.source.play(box, stop), "capture")
    yield from lifting.run(box)


def _replayed(settings: LiftSettings) -> Iterator[Any]:
    """A recording at its own pace; every frame is sent, late ones at once."""
    path, started, number = Path(settings.source.name), time.monotonic(), 0
    for turn in itertools.count():
        header, pictures = read_recording(path)
        if turn == 0:
            yield replace(header, codec=settings.codec)
        for picture in pictures:
            due = started + number / header.frames_per_second
            time.sleep(max(0.0, due - time.monotonic()))
            now = now_us()
            yield LiftedFrame(number, picture, (now, now, now))
            number += 1
        if not settings.source.loop:
            return


class Lifting:
    """A student at work on captured frames."""

    def __init__(self, settings: LiftSettings) -> None:
        self.reconstructor = Reconstructor.from_pretrained(
            settings.student,
            device=settings.device,
            kernels=settings.kernels,
            runtime=settings.runtime,
            bfloat16=settings.bfloat16,
            trust=settings.trust,
        )
        self.settings = settings
        self._framed: Framed | None = None
        framing = settings.framing
        self._face = LiveFace(framing) if isinstance(framing, FaceCrops) else None
        side = self.reconstructor.image_size
        for _ in range(2):  # what the first lift prepares costs the first frames nothing
            self.reconstructor.lift(torch.zeros(1, 3, side, side))

    def run(self, box: Mailbox[Captured]) -> Iterator[Any]:
        """The header, then frames.

        Raises:
            ValueError: the source can't be read or gave no frame; the normalisation is another
                student's.
        """
        lifted = self._lifted(box)
        code = self.settings.normalisation
        first = list(itertools.islice(lifted, CALIBRATION_FRAMES if code is None else 1))
        if not first:
            raise ValueError(
                f"the source gave no frame: is {self.settings.source.name} what you want to send?"
            )
        if code is None:
            planes = torch.stack([planes for _, planes, _ in first])
            code = calibrate(self.reconstructor.lifter, planes)
        lifter = self.reconstructor.lifter
        passport = lifter.passport
        grid = Grid(3 * passport.stored_channels, passport.plane_resolution)
        if len(code) != grid.tiles:
            raise ValueError(
                f"the normalisation is of {len(code)} channels, the student's planes have"
                f" {grid.tiles}: give its own, or planes=null"
            )
        rate = first[-1][0].rate or self.settings.source.frames_per_second
        yield StreamHeader(self.settings.codec, grid, code, passport, rate, scene_of(lifter))
        for captured, planes, stamps in itertools.chain(first[-1:], lifted):
            picture = grid.picture(code.levels(planes))
            yield LiftedFrame(captured.number, picture, (*stamps, now_us()))

    def _lifted(
        self, box: Mailbox[Captured]
    ) -> Iterator[tuple[Captured, Float[Tensor, "3 channel height width"], tuple[int, int]]]:
        parameter = next(self.reconstructor.lifter.parameters())
        while not box.is_closed:
            captured = box.take()
            if captured is None:
                continue
            framed = self._followed(captured)
            if framed is None:
                continue
            size = self.reconstructor.image_size
            image = self.settings.hooks.cut(framed, captured.image, size).image
            tracked = now_us()
            with torch.inference_mode():
                planes = self.reconstructor.lift(image.to(parameter)[None]).triplane.planes[0]
            yield captured, planes, (captured.stamp, tracked)
        if box.error is not None:
            raise box.error

    def _followed(self, captured: Captured) -> Framed | None:
        """The square of this frame: of its face, or that of the frame before."""
        picture = Picture(captured.image, Path(f"{captured.number}"), captured.number)
        if self._face is not None:
            return self._face.frame(picture, captured.stamp / 1e6)
        found = self.settings.framing.frame(picture)
        if found and (found[0].face_found or self._framed is None):
            self._framed = replace(found[0], may_reach_outside=True)
        return self._framed
