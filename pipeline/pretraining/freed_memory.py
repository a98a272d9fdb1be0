"""Makes glibc keep the memory that large tensors free, instead of returning it to the kernel, which
zeroes it again at every step.
"""

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's mallopt."""

KEPT = 1 << 30
"""Bytes that stay at the end of the heap; blocks up to this size come from the heap."""


def keep_freed_memory() -> bool:
    """Sets glibc's thresholds for this process. Returns whether that was possible: other C
    libraries have no such setting.

    A block above the threshold is mapped anew each time, and each of its pages causes a fault at
    the first access: a tenth of a training step on a CPU.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(
        [mallopt(MMAP_THRESHOLD, KEPT), mallopt(TRIM_THRESHOLD, KEPT), mallopt(TOP_PAD, 64 << 20)]
    )
