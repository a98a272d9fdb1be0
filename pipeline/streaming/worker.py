"""A process that answers one request at a time, and is replaced when it hangs or dies.

Codec libraries may abort or hang on odd input; a stream shall survive that with a lost frame.
"""

from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from .process import Process


class WorkerLost(RuntimeError):
    """The worker hung or died; another one will answer the next request."""


class Worker:
    """Runs `make()` in a process of its own and calls what that returns.

    Args:
        make: picklable; → a function of one picklable argument. Its `ValueError`s come back; any
            other exception ends the worker.
        seconds: a request may take.
        start_seconds: the first one may take, imports included.

    Attributes:
        restarts: how often the process was replaced.
    """

    def __init__(
        self,
        make: Callable[[], Callable[[Any], Any]],
        *,
        seconds: float = 3.0,
        start_seconds: float = 60.0,
    ) -> None:
        self.make, self.seconds, self.start_seconds = make, seconds, start_seconds
        self.restarts = 0
        self._process: Process | None = None

    def start(self) -> "Worker":
        """Starts the process and waits until it is ready."""
        if self._process is None:
            self._process = Process(_serve, self.make)
            self._answer(self.start_seconds)
        return self

    def __call__(self, request: Any) -> Any:
        """The answer.

        Raises:
            ValueError: the worker's.
            WorkerLost: it hung or died.
        """
        self.start()
        assert self._process is not None
        try:
            self._process.connection.send(request)
        except (BrokenPipeError, ConnectionResetError, EOFError) as error:
            self._lose()
            raise WorkerLost("the codec's process died") from error
        return self._answer(self.seconds)

    def _answer(self, seconds: float) -> Any:
        assert self._process is not None
        connection = self._process.connection
        try:
            if not connection.poll(seconds):
                self._lose()
                raise WorkerLost(f"the codec's process gave no answer within {seconds:g} s")
            answer = connection.recv()
        except (EOFError, ConnectionResetError) as error:
            self._lose()
            raise WorkerLost("the codec's process died") from error
        if isinstance(answer, ValueError):
            raise answer
        return answer

    def _lose(self) -> None:
        self.close()
        self.restarts += 1

    def close(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.close()
        self._process = None

    def __enter__(self) -> "Worker":
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.close()


def _serve(connection: Connection, make: Callable[[], Callable[[Any], Any]]) -> None:
    try:
        answer = make()
    except ValueError as error:
        connection.send(error)
        return
    connection.send(None)
    while True:
        try:
            request = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            connection.send(answer(request))
        except ValueError as error:
            connection.send(ValueError(str(error)))
        except BrokenPipeError:
            return
