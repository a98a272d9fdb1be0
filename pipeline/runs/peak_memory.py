"""Peak memory of a piece of work."""

import sys
from pathlib import Path

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""Written to clear_refs, it resets VmHWM, the peak resident size (proc(5))."""


class PeakMemory:
    """Peak memory since construction.

    On a GPU, the memory that torch allocated; on a CPU under Linux, the resident size of the
    process.

    Args:
        device: of the work.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._is_measurable = device.type == "cuda" or self._reset_resident()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def mib(self) -> float | None:
        """The peak in MiB; None if the system doesn't report it."""
        if not self._is_measurable:
            return None
        if self.device.type == "cuda":
            return round(torch.cuda.max_memory_allocated(self.device) / 2**20, 1)
        found = [line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:")]
        return round(int(found[0].split()[1]) / 2**10, 1) if found else None

    @staticmethod
    def _reset_resident() -> bool:
        if not sys.platform.startswith("linux"):
            return False
        try:
            CLEAR.write_text(RESET_PEAK)
        except OSError:
            return False
        return True
