"""A loader that draws the next batch from the teacher while the student learns from this one.

The next batch is drawn in a thread: torch releases Python's lock while it computes. On a GPU the
thread has a CUDA stream of its own.
"""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from itertools import chain, pairwise
from typing import Any, Protocol, runtime_checkable

import torch
from torch.profiler import record_function

from pipeline.batch import DistillationBatch, tensors_of
from pipeline.runs.stopwatch import Stopwatch

Overlap = bool | str
"""true, false, or "auto"."""

ENDLESS = 1 << 40
"""The length of a loader without end, in batches. Lightning fetches one batch ahead from a loader
without a length, in the thread of the training step.
"""


def overlaps(setting: Overlap, device: torch.device) -> bool:
    """Whether batches are drawn ahead on a device. "auto": on a GPU (the notebook has what it
    brings on a CPU).

    Raises:
        ValueError: another setting.
    """
    if setting not in (True, False, "auto"):
        raise ValueError(f"trainer.overlap is {setting!r}: use auto, true or false")
    return device.type == "cuda" if setting == "auto" else bool(setting)


@runtime_checkable
class Lane(Protocol):
    """Where the teacher works beside the student."""

    def fork(self) -> Any:
        """In the student's thread: the point in its work after which the teacher may begin."""
        ...

    def draw(
        self, draw: Callable[[], DistillationBatch], fork: Any
    ) -> tuple[DistillationBatch, Any]:
        """In the teacher's thread: a batch, and the point in the teacher's work at which it is
        complete.
        """
        ...

    def join(self, batch: DistillationBatch, drawn: Any) -> None:
        """In the student's thread: from here on it may read the batch."""
        ...


class CPULane:
    """On a CPU an operation is complete when its call returns."""

    def fork(self) -> None:
        """Nothing to wait for."""

    def draw(
        self, draw: Callable[[], DistillationBatch], fork: None
    ) -> tuple[DistillationBatch, None]:
        """The batch."""
        return draw(), None

    def join(self, batch: DistillationBatch, drawn: None) -> None:
        """Nothing to wait for."""


class CUDALane:
    """On a GPU: a stream beside the student's. Each waits for the other's events, and the host for
    neither.

    Args:
        device: of both.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)

    def fork(self) -> Any:
        """After all that the student's stream has been given so far."""
        return torch.cuda.current_stream(self.device).record_event()

    def draw(
        self, draw: Callable[[], DistillationBatch], fork: Any
    ) -> tuple[DistillationBatch, Any]:
        """The batch, in memory of the teacher's stream."""
        with torch.cuda.device(self.device), torch.cuda.stream(self.stream):
            self.stream.wait_event(fork)
            batch = draw()
            return batch, self.stream.record_event()

    def join(self, batch: DistillationBatch, drawn: Any) -> None:
        """The student's stream waits for the batch, and the allocator reuses its memory only after
        that stream is done with it, too.
        """
        student = torch.cuda.current_stream(self.device)
        student.wait_event(drawn)
        for tensor in tensors_of(batch):
            if tensor.is_cuda:
                tensor.record_stream(student)


class BatchLoader:
    """An iterable of the batches of some steps, in order; each is drawn once.

    The bits are the same with and without a lane, if torch has as many threads. Between the yield
    of a batch and `synchronize` the source, its teacher included, belongs to the loader. Whatever
    the source counts, it counts when a batch is drawn.

    Args:
        draw: step → batch.
        steps: whose batches are drawn.
        lane: where the next batch is drawn meanwhile; None: it is drawn when it is needed.
        stopwatch: the time spent on drawing and on waiting for a batch counts as its "teacher".
    """

    def __init__(
        self,
        draw: Callable[[int], DistillationBatch],
        steps: Iterable[int],
        *,
        lane: Lane | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._draw = draw
        self._steps = steps
        self._lane = lane
        self._stopwatch = stopwatch or Stopwatch()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="teacher") if lane else None
        self._pending: Future[tuple[DistillationBatch, Any]] | None = None

    def __len__(self) -> int:
        """Without end (see `ENDLESS`): the trainer's `max_steps` ends a run."""
        return ENDLESS

    def __iter__(self) -> Iterator[DistillationBatch]:
        """The batches.

        Raises:
            Exception: whatever the source raised while it drew a batch, with its traceback, in
                place of that batch.
        """
        for step, following in pairwise(chain(self._steps, [None])):
            assert step is not None
            with self._stopwatch.part("teacher"):
                self.synchronize()
                pending, self._pending = self._pending, None
                batch = self._draw(step) if pending is None else pending.result()[0]
                if following is not None:
                    self._begin(following)
            yield batch

    def synchronize(self) -> None:
        """Waits until no batch is being drawn. An error of the source is kept for its batch."""
        if self._pending is None or self._lane is None:
            return
        with record_function("waiting for the loader"):
            wait([self._pending])
        if self._pending.exception() is None:
            self._lane.join(*self._pending.result())

    def close(self) -> None:
        """Waits, drops the batch that was drawn ahead, and ends the thread."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
        self._lane = self._thread = self._pending = None

    def _begin(self, step: int) -> None:
        if self._thread is not None and self._lane is not None:
            self._pending = self._thread.submit(
                self._lane.draw, lambda: self._draw(step), self._lane.fork()
            )
