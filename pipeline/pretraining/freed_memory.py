"""Memory that large tensors free is kept by the process instead of being handed back and zeroed
again at every step.
"""

import ctypes
import sys

TRIM_THRESHOLD, TOP_PAD, MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's mallopt."""

KEPT = 1 << 30
"""Bytes at the end of the heap that stay; blocks up to this size come from the heap."""


def keep_freed_memory() -> bool:
    """Tells glibc so, for this process; whether it could (other C libraries have no such setting).

    A block above the threshold is mapped anew each time, and each of its pages is a fault at the
        first touch: a tenth of a training
    step on a CPU.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all(
        [mallopt(MMAP_THRESHOLD, KEPT), mallopt(TRIM_THRESHOLD, KEPT), mallopt(TOP_PAD, 64 << 20)]
    )
