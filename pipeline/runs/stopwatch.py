"""Time of the parts of training steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up the time of named parts of training steps. Time outside any part isn't counted.

    Parts don't overlap. On a GPU, the current stream is synchronised at both ends of a part.
    """

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self._seconds: dict[str, float] = {}
        self._running: tuple[str, float] | None = None

    def start(self, name: str) -> None:
        """Starts a part; a running one is discarded."""
        self._wait()
        self._running = name, time.perf_counter()

    def stop(self) -> None:
        """Stops the running part, if any, and adds its time."""
        if self._running is None:
            return
        self._wait()
        name, start = self._running
        self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - start
        self._running = None

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """A context whose time is added to a part."""
        self.start(name)
        try:
            yield
        finally:
            self.stop()

    def seconds(self, name: str | None = None) -> float:
        """Seconds of a part since the last reset; without a name, of all parts."""
        return sum(self._seconds.values(), 0.0) if name is None else self._seconds.get(name, 0.0)

    def share(self, name: str) -> float:
        """Share of a part in the time of all parts, in [0, 1]; 0 before anything was counted."""
        return self.seconds(name) / max(self.seconds(), 1e-9)

    def reset(self) -> None:
        """Sets all times to zero."""
        self._seconds = {}

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
