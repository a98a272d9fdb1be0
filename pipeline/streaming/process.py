"""A Python process of its own with a pipe to it, without the imports of this one's main module.

(multiprocessing's "spawn" imports that first: seconds for a verb.)
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


class Process:
    """Runs `run(connection, *arguments)`; it ends when this process does, or is told to.

    Args:
        run: a function of a module, given the other end of `connection`.
        arguments: picklable.

    Attributes:
        connection: of this side.
    """

    def __init__(self, run: Callable[..., None], *arguments: Any) -> None:
        mine, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __spec__.name, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=os.environ | {"SVT_LOG": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self.connection: Connection = Connection(mine.detach())
        with contextlib.suppress(BrokenPipeError):
            self.connection.send((run, arguments))

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @property
    def ending(self) -> str:
        """How it ended; it's given a moment to."""
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        return f"exit status {status}" if status >= 0 else f"{signal.Signals(-status).name}"

    def close(self) -> None:
        """Ends it, whatever it does."""
        self.connection.close()
        self._process.kill()
        self._process.wait()


def _main(descriptor: int) -> None:
    # Ctrl-C reaches every process of the terminal: the first one ends the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection: Connection = Connection(descriptor)
    try:
        run, arguments = connection.recv()
        run(connection, *arguments)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # the other side has ended


if __name__ == "__main__":
    _main(int(sys.argv[1]))
