"""Encoder and decoder in worker processes."""

import functools
from collections.abc import Callable
from typing import Any

from .codecs import CodecSettings, Coded, Levels, PlaneDecoder, PlaneEncoder
from .tiling import Grid
from .worker import Worker, WorkerLost


class EncoderProcess:
    """A `PlaneEncoder` behind a watchdog; after a restart the next picture is a key frame.

    Attributes:
        settings: change them by `change`.
    """

    def __init__(self, grid: Grid, settings: CodecSettings, *, seconds: float = 5.0) -> None:
        self.grid, self.settings = grid, settings
        self.worker = Worker(functools.partial(_encoding, grid, settings), seconds=seconds)

    def start(self) -> "EncoderProcess":
        """Starts the process; ValueError if the codec refuses the settings."""
        self.worker.start()
        return self

    def encode(self, picture: Levels, *, key: bool = False) -> Coded:
        """See `PlaneEncoder`; WorkerLost if the codec hung or died: this picture is lost."""
        answer: Coded = self.worker((picture, key, None))
        return answer

    def change(self, settings: CodecSettings) -> None:
        """From the next picture on, which will be a key frame."""
        self.worker((None, False, settings))
        self.settings = settings
        self.worker.make = functools.partial(_encoding, self.grid, settings)

    def close(self) -> None:
        """Ends the process."""
        self.worker.close()


def _encoding(grid: Grid, settings: CodecSettings) -> Callable[[Any], Any]:
    encoder = PlaneEncoder(grid, settings)

    def encode(request: tuple[Levels | None, bool, CodecSettings | None]) -> Coded | None:
        nonlocal encoder
        picture, key, changed = request
        if changed is not None:
            encoder = PlaneEncoder(grid, changed)
        return None if picture is None else encoder.encode(picture, key=key)

    return encode


class DecoderProcess:
    """A `PlaneDecoder` behind a watchdog; after a restart it waits for a key frame."""

    def __init__(self, grid: Grid, codec: str, *, seconds: float = 3.0) -> None:
        self.worker = Worker(functools.partial(_decoding, grid, codec), seconds=seconds)
        self.needs_key = True

    def start(self) -> "DecoderProcess":
        """Starts the process."""
        self.worker.start()
        return self

    def decode(self, data: bytes, *, is_key: bool) -> Levels | None:
        """The picture; None while a key frame is missing.

        Raises:
            ValueError: damaged data.
            WorkerLost: the decoder hung or died.
        """
        if self.needs_key and not is_key:
            return None
        try:
            picture: Levels | None = self.worker(data)
        except (ValueError, WorkerLost):
            self.needs_key = True
            raise
        self.needs_key = False
        return picture

    def close(self) -> None:
        """Ends the process."""
        self.worker.close()


def _decoding(grid: Grid, codec: str) -> Callable[[bytes], Any]:
    return PlaneDecoder(grid, codec).decode
