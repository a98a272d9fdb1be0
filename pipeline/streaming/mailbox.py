"""Queues that drop and never grow."""

import threading
import time
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


def now_us() -> int:
    """Microseconds of the monotonic clock, which all processes of a machine share."""
    return time.monotonic_ns() // 1000


class Mailbox(Generic[T]):
    """Between two threads, the newest thing only: what nobody took in time is dropped.

    Attributes:
        dropped: how many.
        error: why it was closed early; None: it wasn't.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._held: list[T] = []
        self._ready = threading.Condition()
        self._is_closed = False
        self.dropped = 0

    def put(self, thing: T) -> None:
        """Replaces what is there."""
        with self._ready:
            self.dropped += len(self._held)
            self._held = [thing]
            self._ready.notify()

    def take(self, seconds: float = 1.0) -> T | None:
        """The newest, waited for; None after `seconds`, or when it is closed and empty."""
        with self._ready:
            self._ready.wait_for(lambda: self._held or self._is_closed, seconds)
            return self._held.pop() if self._held else None

    def close(self, error: Exception | None = None) -> None:
        """Nothing more will come, perhaps because of an error."""
        with self._ready:
            self.error, self._is_closed = error, True
            self._ready.notify_all()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed and everything taken."""
        return self._is_closed and not self._held


class CodedQueue:
    """Packets of a codec on their way to a slow reader, all or none: a decoder can't go on behind a
    gap, so that a full queue is emptied, and filled again from the next key frame on.

    Args:
        most: packets.

    Attributes:
        needs_key: whether it waits for a key frame.
        dropped: packets.
        overflows: how often it was full.
    """

    def __init__(self, most: int = 8) -> None:
        self.most, self.needs_key, self.dropped, self.overflows = most, True, 0, 0
        self._held: deque[tuple[bytes, bool]] = deque()

    def put(self, data: bytes, *, is_key: bool) -> bool:
        """Whether it was taken."""
        if is_key:
            # whatever waits before a key frame would only be late
            self.dropped += len(self._held)
            self._held.clear()
            self.needs_key = False
        elif self.needs_key:
            self.dropped += 1
            return False
        elif len(self._held) >= self.most:
            self.dropped += len(self._held) + 1
            self._held.clear()
            self.needs_key = True
            self.overflows += 1
            return False
        self._held.append((data, is_key))
        return True

    def take(self) -> bytes | None:
        """The oldest; None if it is empty."""
        return self._held.popleft()[0] if self._held else None

    def __len__(self) -> int:
        return len(self._held)
