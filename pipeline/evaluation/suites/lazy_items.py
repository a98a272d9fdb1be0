"""A sequence whose items are made when they are indexed, and not kept."""

from collections.abc import Callable, Sequence
from typing import Any

from pipeline.evaluation.items import Item


class LazyItems(Sequence[Item]):
    """Items by their index.

    Args:
        count: number of items.
        make: index → item.
    """

    def __init__(self, count: int, make: Callable[[int], Item]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._make(number) for number in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(f"item {index} of {self._count}")
        return self._make(index % self._count)
