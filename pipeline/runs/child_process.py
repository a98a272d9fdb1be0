"""Verbs as child processes."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any


class ChildProcess:
    """A child process that ends with the context.

    An error in the context terminates the child; the context waits for its end. SIGTERM raises
    `SystemExit` here. Ctrl-C reaches the child as well: the context only waits, since the child may
    be saving its state. If this process is killed, the child receives SIGTERM (on Linux).

    Args:
        arguments: the command.
        output: receives stdout and stderr; None: those of this process.
        inherited: file descriptors that stay open in the child.
        environment: additional variables.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        output: IO[bytes] | None = None,
        inherited: Sequence[int] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.arguments = list(arguments)
        self.output = output
        self.inherited = tuple(inherited)
        self.environment = dict(environment or {})

    def __enter__(self) -> "subprocess.Popen[bytes]":
        self.before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
        self.process = subprocess.Popen(
            self.arguments,
            stdin=None if self.output is None else subprocess.DEVNULL,
            stdout=self.output,
            stderr=None if self.output is None else subprocess.STDOUT,
            pass_fds=self.inherited,
            env=os.environ | self.environment,
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
    """Runs in the child before exec: requests SIGTERM at the death of the parent (prctl(2),
    PR_SET_PDEATHSIG).
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
    """The command that `trilift VERB SETTINGS` executes."""
    return [sys.executable, "-m", f"pipeline.verbs.{verb}", *settings]


def setting(key: str, value: object) -> str:
    """An override that Hydra parses back to `value`, whatever characters it has."""
    return f"{key}={quoted(value)}"


def quoted(value: object) -> str:
    """The text that Hydra parses to `value`, also inside a list."""
    text = str(value)
    if not re.fullmatch(r"[\w./+-]+", text, re.ASCII):  # Hydra quotes letters beyond ASCII
        text = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return text
