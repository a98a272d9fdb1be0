"""Recordings of streams without loss: ffv1 in Matroska, the header in the file's metadata."""

import base64
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipeline.runs.files import replaced_file

from .codecs import CodecSettings, Levels, PlaneEncoder, require_av, rows_of
from .header import StreamHeader
from .packets import Packet

TAG = "TRILIFT_STREAM"


class _Empty(Exception):
    """Nothing to complete."""


class Recording:
    """Writes pictures of levels one by one; close it. Until then `path` is as it was.

    Args:
        path: the file; missing folders are made.
        header: of the stream.

    Raises:
        ValueError: PyAV isn't installed, or the rate is none that a codec takes.
    """

    def __init__(self, path: Path, header: StreamHeader) -> None:
        av = require_av("ffv1")
        self.av = av
        settings = CodecSettings(codec="ffv1", frames_per_second=header.frames_per_second)
        self.encoder = PlaneEncoder(header.grid, settings)
        with ExitStack() as files:
            temporary = files.enter_context(replaced_file(path))
            self.container = av.open(str(temporary), "w", format="matroska")
            files.callback(self.container.close)
            self._files = files.pop_all()
        content = base64.b64encode(header.packet().to_bytes()).decode()
        self.container.metadata[TAG] = content
        rate = Fraction(header.frames_per_second).limit_denominator(1001)
        self.stream: Any = self.container.add_stream("ffv1", rate=rate)
        self.stream.width, self.stream.height = header.grid.width, header.grid.height
        self.stream.pix_fmt = "gray10le"
        self.stream.codec_context.color_range = 2
        self.stream.codec_context.options = settings.options()

    def write(self, picture: Levels) -> None:
        """One more picture."""
        self.container.mux(self.stream.encode(self.encoder.frame(picture)))

    def close(self) -> None:
        """Completes the file, which replaces an earlier one; that stays on an error, and where no
        picture came.
        """
        with suppress(_Empty), self._files:
            if not self.encoder.count:
                raise _Empty
            self.container.mux(self.stream.encode())


def is_recording(path: Path) -> bool:
    """Whether a file is one; false where PyAV isn't installed."""
    if path.suffix.lower() != ".mkv" or not path.is_file():
        return False
    try:
        read_recording(path)
    except ValueError:
        return False
    return True


def read_recording(path: Path) -> tuple[StreamHeader, Iterator[Levels]]:
    """Header and pictures of a recording.

    Raises:
        ValueError: the file is none.
    """
    av = require_av("ffv1", "r")
    try:
        with av.open(str(path), format="matroska") as container:
            content = container.metadata.get(TAG)
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path} can't be read as a recording: {error}") from error
    if content is None:
        raise ValueError(
            f"{path} is no recording of `trilift stream`: it lacks the stream's header"
        )
    header = StreamHeader.of(Packet.of(base64.b64decode(content)))
    return header, _pictures(av, path, header)


def _pictures(av: Any, path: Path, header: StreamHeader) -> Iterator[Levels]:
    grid = header.grid
    with av.open(str(path), format="matroska") as container:
        for frame in container.decode(video=0):
            yield rows_of(frame.planes[0], grid.height)[:, : grid.width].copy()
