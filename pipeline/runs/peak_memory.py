"""The most memory that a piece of work took."""

import sys
from pathlib import Path

import torch

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
"""What Linux (man 5 proc) takes to forget the largest resident size so far."""


class PeakMemory:
    """Watches from its making on: on a GPU what torch allocated there, on a Linux CPU the whole
    process's resident size.

    Args:
        device: where the work happens.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._can_tell = device.type == "cuda" or self._reset_resident()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def mib(self) -> float | None:
        """The peak since then; None where the system doesn't say."""
        if not self._can_tell:
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
