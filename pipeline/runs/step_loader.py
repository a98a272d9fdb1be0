"""Batches for Lightning as a function of the step."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Generic, TypeVar

from torch.profiler import record_function

from .stopwatch import Stopwatch

Batch = TypeVar("Batch")

ENDLESS = 1 << 40
"""Length of an endless loader, in batches. From a loader without a length, Lightning fetches one
batch ahead.
"""


class StepLoader(Generic[Batch]):
    """An endless iterable of the batches of all steps from `first` on, drawn on demand.

    Args:
        draw: step → batch.
        first: the first step.
        stopwatch: its part "data" measures the draws.
    """

    def __init__(self, draw: Callable[[int], Batch], *, first: int, stopwatch: Stopwatch) -> None:
        self._draw, self._first, self._stopwatch = draw, first, stopwatch

    def __len__(self) -> int:
        """`ENDLESS`: the trainer determines the end of a run."""
        return ENDLESS

    def __iter__(self) -> Iterator[Batch]:
        for step in count(self._first):
            with self._stopwatch.part("data"), record_function("waiting for the loader"):
                batch = self._draw(step)
            yield batch
