"""One cell of a sweep: a run with a name, a folder and a record of its attempts."""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from pipeline.runs.files import sha256_of_json, write_json
from pipeline.runs.lock import is_locked, take_lock
from pipeline.runs.markers import KEPT, RUNTIME, decisive, marked_keys, without_markers
from pipeline.runs.run_folder import RunFolder
from teachers.plain_values import read_json_file

State = Literal["new", "running", "interrupted", "failed", "finished"]

NAME_LENGTH = 120


@dataclass(frozen=True)
class CellRecord:
    """The content of a cell's `cell.json`.

    Attributes:
        state: after the last attempt; "running" also after a kill, so use `Cell.state`.
        fingerprint: of the configuration of the last attempt.
        overrides: the verb's settings in the last attempt.
        attempts: number of starts.
        seconds: of all completed attempts.
        error: the last output of a failed attempt.
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
        verb: the verb that runs.
        overrides: all of the verb's settings, the cell's folder and name among them.
        varied: keys and values that differ between the cells.
        folder: of the run; its last part is the cell's name.
        configuration: composed from the overrides, plain values with their markers; None if that
            fails.
        mistake: why composing failed.
    """

    verb: str
    overrides: tuple[str, ...]
    varied: tuple[tuple[str, str], ...]
    folder: Path
    configuration: dict[str, Any] | None = field(default=None, repr=False)
    mistake: str | None = None

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def fingerprint(self) -> str:
        """Of the configuration; "" without one."""
        if self.configuration is None:
            return ""
        return fingerprint(self.configuration, marked_keys(self.configuration, RUNTIME, KEPT))

    def record(self) -> CellRecord | None:
        """The record on disk; None before the first attempt.

        Raises:
            ValueError: the file isn't a record.
        """
        path = self.folder / "cell.json"
        try:
            return read_json_file(path, CellRecord, "remove the file to run the cell again")
        except FileNotFoundError:
            return None

    def write(self, record: CellRecord) -> None:
        """Replaces the record on disk."""
        write_json(self.folder / "cell.json", asdict(record), indent=1)

    @property
    def state(self) -> State:
        """Of the cell now: "finished" only with the present configuration, "running" only while a
        process holds it.
        """
        record = self.record()
        if self.is_held():
            return "running"
        if record is None:
            return "new"
        if record.state == "running" or (record.state == "finished" and not self._ran(record)):
            return "interrupted"
        return record.state

    def _ran(self, record: CellRecord) -> bool:
        """Whether the run had the present configuration, possibly under names of an earlier
        version, from which the fingerprint was computed then.
        """
        if record.fingerprint == self.fingerprint:
            return True
        try:
            recorded = RunFolder(self.folder).recorded()
        except FileNotFoundError:
            return False
        return (
            fingerprint(recorded, marked_keys(self.configuration, RUNTIME, KEPT))
            == self.fingerprint
        )

    @contextmanager
    def held(self) -> Iterator[IO[str] | None]:
        """The open lock of the cell; None if another process has it.

        The lock belongs to the open file: children that inherit the file keep it when this process
        dies.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "cell.lock").open("a") as lock:
            yield lock if take_lock(lock) else None

    def is_held(self) -> bool:
        """Whether a process runs it."""
        return is_locked(self.folder / "cell.lock")


def cell_name(varied: Sequence[tuple[str, str]]) -> str:
    """A folder's name for what varies: letters, digits, points, plus and minus; with a hash where
    other characters were replaced or the name was cut.

    >>> cell_name([("student", "tiny"), ("seed", "1")])
    'student-tiny__seed-1'
    """
    text = "__".join(f"{key}-{value}" for key, value in varied) or "only"
    name = re.sub(r"[^\w.+-]+", "-", text)
    if name == text and len(name) <= NAME_LENGTH:
        return name
    return f"{name[:NAME_LENGTH]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def fingerprint(configuration: dict[str, Any], runtime: Sequence[str]) -> str:
    """A hash of what decides the result of a run: a resolved configuration without keys of its
    runtime (see `pipeline.runs.markers`).
    """
    return sha256_of_json(decisive(without_markers(configuration), runtime))


def is_first_task() -> bool:
    """Whether this process keeps the record: in a SLURM job of several tasks each runs the verb."""
    return int(os.environ.get("SLURM_PROCID", 0)) == 0


def but_the_seed(varied: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """What the runs of one row of a table have in common."""
    return tuple(part for part in varied if part[0] != "seed")
