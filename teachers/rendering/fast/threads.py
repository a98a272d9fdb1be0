"""Threads for kernels that hold no lock: as many as torch uses, shared by all callers.

A pool of Python threads instead of numba's parallel layers: of those that come with its wheel,
OpenMP aborts in a forked process, and the work queue aborts when two threads call at once (a
prefetching thread beside the main one).
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch

_pools: dict[int, ThreadPoolExecutor] = {}


def in_parallel(piece: Callable[[int], None], count: int) -> None:
    """Calls `piece` with 0 … count - 1, on `torch.get_num_threads()` threads: this one and others
    that are free.

    Pieces are taken one by one, so that a slow one holds nobody up. Errors are raised here.
    """
    helpers = min(torch.get_num_threads(), count) - 1
    if helpers < 1:
        for number in range(count):
            piece(number)
        return
    numbers = iter(range(count))  # `next` on it is one step of the interpreter

    def work() -> None:
        for number in numbers:
            piece(number)

    futures = [_pool(helpers).submit(work) for _ in range(helpers)]
    try:
        work()
    finally:
        waited_for = [future for future in futures if not future.cancel()]
        for future in waited_for:
            future.exception()
    for future in waited_for:
        future.result()


def slices(length: int, size: int) -> Sequence[slice]:
    """`length` in pieces of at most `size`."""
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def _pool(helpers: int) -> ThreadPoolExecutor:
    if helpers not in _pools:
        _pools.setdefault(helpers, ThreadPoolExecutor(helpers, "trilift-kernels"))
    return _pools[helpers]


os.register_at_fork(after_in_child=_pools.clear)  # threads don't survive a fork
