"""Progress of `trilift generate`: a bar on a terminal, otherwise periodic log lines."""

import logging
import sys
import time
from typing import Any

from tqdm import tqdm

from pipeline.runs.durations import duration

log = logging.getLogger(__name__)


class GenerationProgress:
    """Identities that all workers have written: rate, size, and time left.

    Args:
        total: number of identities to be stored.
        done: number of identities stored at the start.
        log_seconds: seconds between two log lines, without a terminal.
    """

    def __init__(self, *, total: int, done: int, log_seconds: float | int = 30.0) -> None:
        self.total, self.done, self.log_seconds = total, done, float(log_seconds)
        self.own = 0
        self._began_with, self._start = done, time.monotonic()
        self._logged_at = self._start
        self._bytes = self._bytes_of = 0
        self._bar: Any = None
        if sys.stderr.isatty():
            self._bar = tqdm(
                total=total, initial=done, desc="generate", unit="identity", dynamic_ncols=True
            )

    def add_identities(self, count: int) -> None:
        """Adds identities that this worker has written."""
        self.own += count
        self.see(self.done + count)

    def add_shard(self, identities: int, size: int) -> None:
        """Adds the size of a shard, in bytes, to the estimate of the total size."""
        self._bytes_of += identities
        self._bytes += size

    def see(self, done: int) -> None:
        """Sets the number of identities that all workers have stored, and shows it."""
        self.done = min(done, self.total)
        now = time.monotonic()
        if self._bar is not None:
            self._bar.n = self.done
            self._bar.set_postfix_str(self.text())
        elif now - self._logged_at > self.log_seconds:
            self._logged_at = now
            log.info("%d of %d identities: %s", self.done, self.total, self.text())

    def text(self) -> str:
        """Rate of all workers, present and final size, and time left."""
        elapsed = max(time.monotonic() - self._start, 1e-9)
        rate = (self.done - self._began_with) / elapsed
        parts = [f"{rate:.1f} identities/s"]
        if self._bytes_of:
            each = self._bytes / self._bytes_of
            parts.append(f"{_size(each * self.done)} of {_size(each * self.total)}")
        if rate > 0:
            parts.append(f"{duration((self.total - self.done) / rate)} left")
        return " · ".join(parts)

    def close(self) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} TB"
