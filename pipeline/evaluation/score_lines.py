"""Scores as JSON lines that survive a kill: one file a process, a torn last line is forgotten, the
rest goes on.
"""

import fcntl
import json
import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

Line = dict[str, Any]


def dumped(line: Line) -> str:
    """One line of JSON; what is no finite number becomes null."""
    return json.dumps(_plain(line), ensure_ascii=False, allow_nan=False)


def read_lines(path: Path) -> list[Line]:
    """The whole lines of a file; none if there is no file. A last line without an end was torn by a
    kill and doesn't count.

    Raises:
        ValueError: another line is damaged.
    """
    return list(_parsed(path, path.read_bytes())) if path.exists() else []


class LineFile:
    """A file of lines that one process appends to, all lines of an item at once.

    Args:
        path: the file; made when missing, a torn end is cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "LineFile":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise ValueError(
                f"{self.path} is being written by another process: wait for it or stop it"
            ) from error
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
        self._file = file
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._file is not None
        self._file.close()

    def append(self, lines: list[Line]) -> None:
        """Writes them through to the system."""
        assert self._file is not None
        self._file.write("".join(f"{dumped(line)}\n" for line in lines).encode())
        self._file.flush()


def _parsed(path: Path, content: bytes) -> Iterator[Line]:
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            yield json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"line {number} of {path} is damaged ({error}): remove the file, what it held is"
                " measured again"
            ) from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
