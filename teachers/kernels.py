"""Which implementation of the hot paths runs: the readable one, or a fast one that equals it.

"readable" is the plain torch code that a newcomer reads, on every device. "fast" replaces parts of
it on a CPU (numba kernels, folded modulation); each part is tested against the readable one within
the tolerances of the parity tests, in value and, where there is one, in gradient. A fast part that
doesn't cover a case (another decoder, a tri-grid, a GPU, second derivatives) leaves it to the
readable code.

The choice holds for the whole process, threads included, like `torch.backends`' flags.
"""

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, get_args

Kernels = Literal["readable", "fast"]

_chosen: str = "readable"


def kernels() -> str:
    """The choice of this process, one of `Kernels`."""
    return _chosen


def fast_kernels() -> bool:
    """Whether hot paths use their fast implementation."""
    return _chosen == "fast"


def choose_kernels(choice: str) -> None:
    """Sets the choice for this process.

    Raises:
        ValueError: `choice` is neither "readable" nor "fast".
        ModuleNotFoundError: "fast" without numba.
    """
    global _chosen
    if choice not in get_args(Kernels):
        raise ValueError(f"kernels is {choice!r}: use {' or '.join(get_args(Kernels))}")
    if choice == "fast" and importlib.util.find_spec("numba") is None:
        raise ModuleNotFoundError(
            "fast kernels need numba: `pip install numba`, or choose the readable ones"
        )
    _chosen = choice


@contextmanager
def use_kernels(choice: str) -> Iterator[None]:
    """`choose_kernels` for a block; the choice before it comes back."""
    before = _chosen
    choose_kernels(choice)
    try:
        yield
    finally:
        choose_kernels(before)
