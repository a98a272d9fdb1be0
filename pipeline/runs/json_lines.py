"""JSON lines that survive a kill: appended under a lock and synced; a torn last line is ignored."""

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from .files import sync_folder, write_text
from .lock import take_lock
from .renamed import current

Line = dict[str, Any]


def read_lines(path: Path) -> list[Line]:
    """The complete lines of a file with this version's keys; [] if there is no file.

    A last line without a newline was torn by a kill and is ignored.

    Raises:
        ValueError: another line is damaged.
    """
    return list(_parsed(path, path.read_bytes())) if path.exists() else []


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Replaces a file; a number that isn't finite becomes null."""
    write_text(path, "".join(f"{_dumped(line)}\n" for line in lines))


def append_line(path: Path, line: Line) -> None:
    """Adds one line to a file."""
    with LineFile(path) as file:
        file.append([line])


class LineFile:
    """A file of lines that one process appends to; `append` writes its lines together.

    Args:
        path: the file; made when missing. A torn end is cut off.

    Raises:
        ValueError: another process has it open for writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "LineFile":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        file = self.path.open("a+b")
        if not take_lock(file):
            file.close()
            raise ValueError(
                f"{self.path} is being written by another process: wait for it or stop it"
            )
        if is_new:
            sync_folder(self.path.parent)
        _cut_torn_end(file)
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

    def append(self, lines: Iterable[Line]) -> None:
        """Adds lines and waits until the disk has them; a number that isn't finite becomes null."""
        assert self._file is not None
        self._file.write("".join(f"{_dumped(line)}\n" for line in lines).encode())
        self._file.flush()
        os.fsync(self._file.fileno())


def _cut_torn_end(file: IO[bytes]) -> None:
    end = file.seek(0, os.SEEK_END)
    if end == 0:
        return
    file.seek(end - 1)
    if file.read() != b"\n":
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _parsed(path: Path, content: bytes) -> Iterator[Line]:
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        try:
            yield current(json.loads(line))
        except ValueError as error:
            raise ValueError(
                f"line {number} of {path} is damaged ({error}): remove the file, its contents are"
                " measured again"
            ) from error


def _dumped(line: Line) -> str:
    return json.dumps(_plain(line), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
