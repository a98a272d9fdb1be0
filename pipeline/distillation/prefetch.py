"""The teacher makes the next identities while the student learns from these.

Made ahead by a thread: torch lets other threads run while it computes. On a GPU that thread has a
stream of its own, too.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.sampling.source import BatchSource

Overlap = bool | str
"""true, false, or "auto"."""


def overlaps(setting: Overlap, device: torch.device) -> bool:
    """Whether identities are made ahead on a device. "auto": on a GPU (what it brings on a CPU is
    in the notebook).

    Raises:
        ValueError: another setting.
    """
    if setting not in (True, False, "auto"):
        raise ValueError(f"trainer.overlap is {setting!r}: use auto, true or false")
    return device.type == "cuda" if setting == "auto" else bool(setting)


class Lane(Protocol):
    """Where the teacher works beside the student."""

    def fork(self) -> Any:
        """In the student's thread: how far its work must have come before the teacher may begin."""
        ...

    def make(
        self, make: Callable[[], DistillationBatch], fork: Any
    ) -> tuple[DistillationBatch, Any]:
        """In the teacher's thread: a batch, and how far the teacher's work must have come before it
        may be looked at.
        """
        ...

    def join(self, identities: DistillationBatch, made: Any) -> None:
        """In the student's thread: from here on it may look at the batch."""
        ...


class CPULane:
    """On a CPU what has been called is done."""

    def fork(self) -> None:
        """Nothing to wait for."""

    def make(
        self, make: Callable[[], DistillationBatch], fork: None
    ) -> tuple[DistillationBatch, None]:
        """The batch."""
        return make(), None

    def join(self, identities: DistillationBatch, made: None) -> None:
        """Nothing to wait for."""


class CUDALane:
    """On a GPU: a stream beside the student's. Either waits for the other's events, and the host
    for neither.

    Args:
        device: of both.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def fork(self) -> Any:
        """After all that the student's stream has been given so far."""
        return torch.cuda.current_stream(self.device).record_event()

    def make(
        self, make: Callable[[], DistillationBatch], fork: Any
    ) -> tuple[DistillationBatch, Any]:
        """The batch, in memory of the teacher's stream."""
        with torch.cuda.device(self.device), torch.cuda.stream(self.stream):
            self.stream.wait_event(fork)
            identities = make()
            return identities, self.stream.record_event()

    def join(self, identities: DistillationBatch, made: Any) -> None:
        """The student's stream waits; no memory of the batch is given out again before that stream,
        too, is done with it.
        """
        student = torch.cuda.current_stream(self.device)
        student.wait_event(made)
        for tensor in tensors_of(identities):
            if tensor.is_cuda:
                tensor.record_stream(student)


@dataclass(frozen=True)
class _Ordered:
    numbers: list[int]
    result: Future[tuple[DistillationBatch, Any]]


class Prefetcher:
    """Hands out the identities of a source in the order of their numbers, the next ones made ahead.

    Every batch is made once, and in the order in which it is asked for, as without: the same bits,
        if torch has as many
    threads. From `take(…, then=…)` to `settle()` the source, its teacher included, belongs to the
    prefetcher: nobody else may have it make anything. What the source counts, it counts when a
    batch is made.

    Args:
        source: whose identities they are.
        overlap: see `overlaps`.
    """

    def __init__(self, source: BatchSource, overlap: Overlap = "auto") -> None:
        self.source = source
        self.overlap = overlap
        self._lane: Lane | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._ordered: _Ordered | None = None

    def start(self, device: torch.device) -> None:
        """Before the first batch, when the source has been moved to its device."""
        self.close()
        if overlaps(self.overlap, device):
            self._lane = CUDALane(device) if device.type == "cuda" else CPULane()
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="teacher")

    def take(
        self, numbers: Sequence[int], *, then: Sequence[int] | None = None
    ) -> DistillationBatch:
        """The identities of some sample numbers.

        Args:
            numbers: theirs.
            then: those that will be asked for next, which are begun; None: nobody knows, or nobody
                will be.

        Raises:
            Exception: whatever the source raised when it made them, with its traceback.
        """
        self.settle()
        ordered, self._ordered = self._ordered, None
        if ordered is not None and ordered.numbers == list(numbers):
            identities, _ = ordered.result.result()
        else:
            identities = self.source(numbers)
        if then is not None and self._thread is not None and self._lane is not None:
            self._ordered = _Ordered(
                list(then),
                self._thread.submit(self._lane.make, lambda: self.source(then), self._lane.fork()),
            )
        return identities

    def settle(self) -> None:
        """Waits until nothing is being made; an error of the source is kept for `take`."""
        if self._ordered is None or self._lane is None:
            return
        wait([self._ordered.result])
        if self._ordered.result.exception() is None:
            self._lane.join(*self._ordered.result.result())

    def close(self) -> None:
        """Waits, forgets what was made ahead, and ends the thread; without `start` nothing is made
        ahead any more.
        """
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._lane = self._thread = self._ordered = None


def tensors_of(record: Any) -> Iterator[Tensor]:
    """All tensors of a record: of its fields, and of lists and dictionaries in them."""
    if isinstance(record, Tensor):
        yield record
        return
    if dataclasses.is_dataclass(record):
        record = [getattr(record, field.name) for field in dataclasses.fields(record)]
    if isinstance(record, dict):
        record = list(record.values())
    if isinstance(record, list | tuple):
        for value in record:
            yield from tensors_of(value)
