"""Everything that computes for the page, on one thread: frames first, then lifts.

Networks, numba's threads and autograd are used by one thread only. A method that takes minutes
reports after each of its steps (`pipeline.inversion.progress`), and frames that were asked for
meanwhile are drawn then: the page stays live.
"""

import itertools
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pipeline.inversion.method import Method
from pipeline.inversion.progress import reporting

from .photographs import Photograph

T = TypeVar("T")
FRAME, LIFT, SLOW_LIFT, STOP = range(4)
"""Urgency of a job; the smallest goes first."""


@dataclass(frozen=True)
class Contender:
    """A student or a method of inversion that the page offers.

    Attributes:
        name: unique, in addresses.
        load: makes the method, at its first use.
        is_slow: it takes more than a moment: the page asks before it starts.
        student: the file of its student; None: it has none.
    """

    name: str
    load: Callable[[], Method]
    is_slow: bool = False
    student: Path | None = None

    @cached_property
    def method(self) -> Method:
        """The loaded method."""
        return self.load()


@dataclass
class Progress:
    """Of one lift: what it does and how far it is."""

    title: str = "waiting"
    step: int = 0
    steps: int = 0
    seconds: float | None = None


@dataclass(order=True)
class _Job:
    urgency: int
    number: int
    run: Callable[[], Any] = field(compare=False)
    future: "Future[Any]" = field(compare=False)


class Workbench:
    """Runs jobs in order of urgency on a thread of its own, until `close`."""

    def __init__(self, contenders: Sequence[Contender]) -> None:
        self.contenders = {contender.name: contender for contender in contenders}
        assert len(self.contenders) == len(contenders), "two contenders have one name"
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._running: dict[tuple[int, int, str], Progress] = {}
        self._thread = threading.Thread(target=self._work, name="workbench", daemon=True)
        self._thread.start()

    def submit(self, urgency: int, run: Callable[[], T]) -> "Future[T]":
        """Queues a job."""
        future: Future[T] = Future()
        self._jobs.put(_Job(urgency, next(self._numbers), run, future))
        return future

    def close(self) -> None:
        """Ends the thread after the jobs that are queued before."""
        self.submit(STOP, lambda: None)
        self._thread.join(timeout=10)

    def progress(self, photograph: Photograph, name: str) -> Progress | None:
        """Of a lift that was started and hasn't ended."""
        return self._running.get(_key(photograph, name))

    def lift(self, photograph: Photograph, name: str) -> "Future[None]":
        """Lifts a photograph's square unless that was done or runs already.

        Raises:
            KeyError: no such contender.
        """
        contender, key = self.contenders[name], _key(photograph, name)
        if name in photograph.lifted or name in photograph.failed or key in self._running:
            done: Future[None] = Future()
            done.set_result(None)
            return done
        self._running[key] = Progress()
        urgency = SLOW_LIFT if contender.is_slow else LIFT
        return self.submit(urgency, lambda: self._lift(photograph, contender))

    def _lift(self, photograph: Photograph, contender: Contender) -> None:
        progress = self._running[_key(photograph, contender.name)]

        def report(title: str, step: int, steps: int) -> None:
            progress.title, progress.step, progress.steps = title, step, steps
            self._run_frames()

        started = time.perf_counter()
        try:
            progress.title = "loading"
            method = contender.method
            cut = photograph.cut(method.image_size)
            with reporting(report):
                portrait = method.lift(cut.image[None], cut.camera)
            photograph.lifted[contender.name] = portrait
        except (ValueError, FileNotFoundError, RuntimeError) as error:
            photograph.failed[contender.name] = " ".join(str(error).split())
        finally:
            progress.seconds = time.perf_counter() - started
            del self._running[_key(photograph, contender.name)]

    def _run_frames(self) -> None:
        """Runs the queued frames between two steps of a slow lift."""
        while True:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return
            if job.urgency > LIFT:
                self._jobs.put(job)
                return
            _run(job)

    def _work(self) -> None:
        while (job := self._jobs.get()).urgency != STOP:
            _run(job)
        job.future.set_result(None)


def _run(job: _Job) -> None:
    if not job.future.set_running_or_notify_cancel():
        return
    try:
        result = job.run()
    except BaseException as error:
        job.future.set_exception(error)
    else:
        job.future.set_result(result)


def _key(photograph: Photograph, name: str) -> tuple[int, int, str]:
    return photograph.number, id(photograph), name
