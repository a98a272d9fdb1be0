"""Batches for Lightning that are made from the number of a step."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Generic, TypeVar

from .stopwatch import Stopwatch

Batch = TypeVar("Batch")

ENDLESS = 1 << 40
"""The length of a loader without end, in batches. Lightning fetches one batch ahead from a loader
without a length.
"""


class StepLoader(Generic[Batch]):
    """An iterable of the batches of all steps from one on; each is drawn when it is needed.

    Args:
        draw: step → batch.
        first: the first step.
        stopwatch: the time spent on drawing counts as its "data".
    """

    def __init__(self, draw: Callable[[int], Batch], *, first: int, stopwatch: Stopwatch) -> None:
        self._draw, self._first, self._stopwatch = draw, first, stopwatch

    def __len__(self) -> int:
        """Without end (see `ENDLESS`): the trainer decides when a run ends."""
        return ENDLESS

    def __iter__(self) -> Iterator[Batch]:
        for step in count(self._first):
            with self._stopwatch.part("data"):
                batch = self._draw(step)
            yield batch
