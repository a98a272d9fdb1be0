"""The share of the processors that other processes use while one of ours runs (on Linux)."""

from pathlib import Path

IDLE = (3, 4)
"""Fields of /proc/stat, see proc(5): idle, and idle while waiting for input or output."""


class MachineLoad:
    """Share of all processors that processes other than `pid` have used since construction.

    Args:
        pid: of our process; its threads count to it, its children don't.
        proc: where the kernel's process files are mounted.
    """

    def __init__(self, pid: int, *, proc: Path = Path("/proc")) -> None:
        self.pid = pid
        self.proc = proc
        self.others: float | None = None
        self._first = self._ticks()

    def update(self) -> float | None:
        """Measures again; the last known share where our process has ended, None without /proc."""
        now = self._ticks()
        if now is not None and self._first is not None and now[0] > self._first[0]:
            total, busy, own = (new - old for new, old in zip(now, self._first, strict=True))
            self.others = min(1.0, max(0.0, (busy - own) / total))
        return self.others

    def _ticks(self) -> tuple[int, int, int] | None:
        """Clock ticks since boot: of all processors, of busy ones, of our process."""
        try:
            line = (self.proc / "stat").read_text().splitlines()[0]
            fields = [int(field) for field in line.split()[1:9]]
            # The command's name in parentheses may contain spaces.
            status = (self.proc / str(self.pid) / "stat").read_text().rpartition(")")[2].split()
            own = int(status[11]) + int(status[12])  # utime, stime
        except (OSError, ValueError, IndexError):
            return None
        total = sum(fields)
        return total, total - sum(fields[place] for place in IDLE), own
