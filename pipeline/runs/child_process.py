"""A verb run as a process of its own, with the settings that could be typed."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Any


class ChildProcess:
    """A child that doesn't outlive the context: on the way out by an error or a signal, it is told
    to end and waited for.

    A Ctrl-C reaches the child, too: it is only waited for, since it may be saving its state.
    SIGTERM becomes `SystemExit`. If this process is killed outright, the child gets SIGTERM (on
    Linux).

    Args:
        arguments: the command.
        output: where both of its streams go; None: where this process's go.
        inherited: descriptors that the child keeps open.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        output: IO[bytes] | None = None,
        inherited: Sequence[int] = (),
    ) -> None:
        self.arguments = list(arguments)
        self.output = output
        self.inherited = tuple(inherited)

    def __enter__(self) -> "subprocess.Popen[bytes]":
        self.before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        self.process = subprocess.Popen(
            self.arguments,
            stdin=None if self.output is None else subprocess.DEVNULL,
            stdout=self.output,
            stderr=None if self.output is None else subprocess.STDOUT,
            pass_fds=self.inherited,
            preexec_fn=_DieWith(os.getpid()) if sys.platform == "linux" else None,
        )
        return self.process

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if self.process.poll() is None and kind is not KeyboardInterrupt:
                self.process.terminate()
            self.process.wait()
        finally:
            signal.signal(signal.SIGTERM, self.before)


class _DieWith:
    """Called in the new process before it becomes the command: asks the kernel for SIGTERM when the
    parent dies.
    """

    SET_PARENT_DEATH_SIGNAL = 1

    def __init__(self, parent: int) -> None:
        self.parent = parent
        self.prctl = ctypes.CDLL(None).prctl

    def __call__(self) -> None:
        self.prctl(self.SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != self.parent:
            os._exit(128 + signal.SIGTERM)


def verb_command(verb: str, settings: Sequence[str]) -> list[str]:
    """What `trilift VERB SETTINGS` becomes."""
    return [sys.executable, "-m", f"pipeline.verbs.{verb}", *settings]


def setting(key: str, value: object) -> str:
    """A setting as Hydra reads it back, whatever characters it has."""
    text = str(value)
    if not re.fullmatch(r"[\w./+-]+", text):
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{key}={text}"
