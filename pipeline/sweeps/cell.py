"""One cell of a sweep: a run with a name, a folder, and a record of how it went."""

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from pipeline.runs.files import sha256_of_json, write_json

State = Literal["new", "running", "interrupted", "failed", "finished"]

NAME_LENGTH = 120

IRRELEVANT = (
    *("name", "paths", "logger", "stop", "callbacks.preview", "callbacks.state"),
    *(
        f"trainer.{key}"
        for key in ("accelerator", "devices", "num_nodes", "threads", "overlap", "log_every")
    ),
)
"""Settings, with all below them, that don't change what a finished cell has come to."""


@dataclass(frozen=True)
class Record:
    """What `cell.json` says of a cell.

    Attributes:
        state: of the last attempt. A cell that was killed says "running" for ever; `Cell.state`
            knows better.
        fingerprint: of the configuration that it was run with.
        overrides: what the verb was told.
        attempts: how often it was started.
        seconds: of all attempts that came to an end.
        error: of a failed one: what it said last.
    """

    state: State
    fingerprint: str
    overrides: list[str]
    attempts: int = 0
    seconds: float = 0.0
    error: str | None = None


@dataclass(frozen=True)
class Cell:
    """A run of a sweep.

    Attributes:
        verb: which.
        overrides: all that the verb is told, the cell's folder and name among it.
        varied: key and value of what differs between the cells.
        folder: where it lives; its last part is the cell's name.
        fingerprint: of its configuration, see `fingerprint`; "" when it has none.
        mistake: why the overrides don't make a configuration.
    """

    verb: str
    overrides: tuple[str, ...]
    varied: tuple[tuple[str, str], ...]
    folder: Path
    fingerprint: str = ""
    mistake: str | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    def record(self) -> Record | None:
        """What is written about it; None before its first attempt.

        Raises:
            ValueError: the record isn't one.
        """
        try:
            return Record(**json.loads((self.folder / "cell.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{self.folder / 'cell.json'} is no record of a cell ({error}): remove the file to"
                " run the cell again"
            ) from error

    def write(self, record: Record) -> None:
        """Replaces the record."""
        write_json(self.folder / "cell.json", asdict(record), indent=1)

    @property
    def state(self) -> State:
        """How it stands: finished only with the configuration that it has now; running only while a
        process holds it.
        """
        record = self.record()
        if self.is_held():
            return "running"
        if record is None:
            return "new"
        if record.state == "running" or (
            record.state == "finished" and record.fingerprint != self.fingerprint
        ):
            return "interrupted"
        return record.state

    @contextmanager
    def held(self) -> Iterator[IO[str] | None]:
        """The open lock of the cell, None if another process has it.

        It belongs to the open file: children that inherit the file keep the cell when this process
            dies.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "cell.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield None
                return
            yield lock

    def is_held(self) -> bool:
        """Whether some process is at it."""
        if not (self.folder / "cell.lock").exists():
            return False
        with self.held() as lock:
            return lock is None


def cell_name(varied: Sequence[tuple[str, str]]) -> str:
    """A folder's name for what varies: letters, digits, points, plus and minus; a hash where that
    isn't all.

    >>> cell_name([("student", "tiny"), ("seed", "1")])
    'student-tiny__seed-1'
    """
    text = "__".join(f"{key}-{value}" for key, value in varied) or "only"
    name = re.sub(r"[^\w.+-]+", "-", text)
    if name == text and len(name) <= NAME_LENGTH:
        return name
    return f"{name[:NAME_LENGTH]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def fingerprint(configuration: dict[str, Any]) -> str:
    """A hash of everything in a resolved configuration that matters to the result, see
    `IRRELEVANT`.
    """
    kept = _without(configuration, "")
    return sha256_of_json(kept)


def _without(node: Any, path: str) -> Any:
    if not isinstance(node, dict):
        return node
    inner = {key: f"{path}.{key}" if path else str(key) for key in node}
    return {
        key: _without(value, inner[key])
        for key, value in node.items()
        if inner[key] not in IRRELEVANT
    }


def is_first_task() -> bool:
    """Whether this process speaks for its SLURM job: with several tasks, each runs the verb, and
    one of them keeps the record.
    """
    return int(os.environ.get("SLURM_PROCID", 0)) == 0
