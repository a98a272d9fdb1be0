"""A film of what a receiver shows, written while it is shown."""

import queue
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.inference.video import Frame, write_video

from .source import in_thread

WAITING = 64
"""Frames that wait for the film's encoder; showing another waits for it."""


class ShownFilm:
    """Takes frames one by one, at any pace; close it.

    Args:
        path: where to, see `write_video`.
        frames_per_second: of the film; a frame is repeated until the next one was shown, so that
            the film takes as long as what was seen.

    Attributes:
        count: of the frames shown.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self.path, self.rate, self.count = path, frames_per_second, 0
        self._error: Exception | None = None
        self._is_complete = False
        self._queue: queue.Queue[tuple[float, Frame] | None] = queue.Queue(WAITING)
        self._thread = in_thread(self._write, "film")

    def show(self, pixels: Frame, *, seconds: float | None = None) -> None:
        """One more frame.

        Args:
            pixels: 8-bit RGB, even sides.
            seconds: when, of a monotonic clock; None: now.

        Raises:
            OSError: the film can't be written.
        """
        if self._error is not None:
            raise self._error
        self._queue.put((time.monotonic() if seconds is None else seconds, pixels))
        self.count += 1

    def close(self) -> Path:
        """Completes the film, which appears whole or not at all.

        Returns:
            its path.

        Raises:
            OSError: it can't be written.
            ValueError: no frame was shown.
        """
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self.path

    def _write(self) -> None:
        try:
            self.path = write_video(self.path, self._paced(), frames_per_second=self.rate)
        except Exception as error:
            self._error = error
            while not self._is_complete:  # whoever shows a frame finds room for it
                self._is_complete = self._queue.get() is None

    def _paced(self) -> Iterator[Frame]:
        first, before, written = 0.0, None, 0
        while (shown := self._queue.get()) is not None:
            seconds, pixels = shown
            if before is None:
                first = seconds
            else:
                for _ in range(round((seconds - first) * self.rate) - written):
                    yield before
                    written += 1
            yield pixels
            before, written = pixels, written + 1
        self._is_complete = True
