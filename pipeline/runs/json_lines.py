"""JSON lines that survive a kill: appended under a lock and synced; a torn last line is ignored."""

import json
import math
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from teachers.plain_values import parse_json, require_shape

from .files import naming, sync_folder, write_text
from .lock import take_lock
from .renamed import current

Line = dict[str, Any]


MEASURED = "remove the file, its contents are measured again"


def read_lines(path: Path, shape: Any = dict, advice: str = MEASURED) -> list[Line]:
    """The complete lines of a file with this version's keys; [] if there is no file.

    A last line without a newline was torn by a kill and is ignored.

    Args:
        path: the file.
        shape: an annotation that each line fits (see `teachers.plain_values.misfit`).
        advice: what to do about another line.

    Raises:
        ValueError: another line is damaged.
    """
    return list(_parsed(path, shape, advice)) if path.exists() else []


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
        with naming(self.path):  # closing writes what is left
            self._file.close()

    def append(self, lines: Iterable[Line]) -> None:
        """Adds lines and waits until the disk has them; a number that isn't finite becomes null."""
        assert self._file is not None
        with naming(self.path):
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


def _parsed(path: Path, shape: Any, advice: str) -> Iterator[Line]:
    content = path.read_bytes()
    for number, line in enumerate(content[: content.rfind(b"\n") + 1].splitlines(), 1):
        source = f"{path}, line {number}"
        values = current(parse_json(line, source, dict[str, Any], advice))
        yield require_shape(values, shape, source, advice)


def _dumped(line: Line) -> str:
    return json.dumps(with_nulls(line), ensure_ascii=False, allow_nan=False)


def with_nulls(value: Any) -> Any:
    """Nested plain values, null for each number that isn't finite."""
    if isinstance(value, dict):
        return {key: with_nulls(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [with_nulls(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
