"""The folder of one run: its lock, configuration, status and checkpoints."""

import json
import logging
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, TypedDict

from teachers.plain_values import read_json_file

from .complete_checkpoint import find_checkpoint
from .files import naming, write_json
from .lock import is_locked, take_lock
from .markers import decisive
from .renamed import current, read_json

log = logging.getLogger(__name__)

_MISSING = object()


class _Status(TypedDict):
    status: str
    process: int
    host: str


class RunFolder:
    """The folder `runs/<verb>/<name>` of one run; as a context, it is locked for this process.

    The lock belongs to the open file, so the system releases it however the process ends.

    Args:
        path: the folder; created on entry.

    Raises:
        ValueError: on entry, if another process holds the lock.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._lock: IO[str] | None = None

    @property
    def config_path(self) -> Path:
        """The configuration that the run was started with."""
        return self.path / "config.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of the training states."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The folder of the newest training state."""
        return self.checkpoints / "last"

    def checkpoint_to_resume(self) -> Path | None:
        """`last_checkpoint`, or None if no complete training state is saved."""
        return self.last_checkpoint if find_checkpoint(self.last_checkpoint) is not None else None

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return self.status().get("status") == "finished"

    def mark(self, status: str, **facts: Any) -> None:
        """Writes `status.json`.

        Args:
            status: "running", "unfinished", "finished" or "failed".
            **facts: other plain values.
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write_json(
            self.path / "status.json",
            {
                "status": status,
                **facts,
                "time": now,
                "process": os.getpid(),
                "host": socket.gethostname(),
            },
        )

    def status(self) -> dict[str, Any]:
        """The contents of `status.json`; {} for a run that never began.

        A run that is marked as running but not locked was killed: its status is "unfinished".
        """
        try:
            advice = "remove it, if no process runs this"
            marked: dict[str, Any] = {**read_json_file(self.path / "status.json", _Status, advice)}
        except FileNotFoundError:
            return {}
        if marked["status"] == "running" and not (
            self._is_mine(marked) or self._is_held_by_another()
        ):
            return {**marked, "status": "unfinished", "reason": "its process was killed"}
        return marked

    def _is_mine(self, marked: dict[str, Any]) -> bool:
        return self._lock is not None and (marked["process"], marked["host"]) == (
            os.getpid(),
            socket.gethostname(),
        )

    def _is_held_by_another(self) -> bool:
        return self._lock is None and is_locked(self.path / "lock")

    def __enter__(self) -> "RunFolder":
        self.path.mkdir(parents=True, exist_ok=True)
        lock = (self.path / "lock").open("a+")
        if not take_lock(lock):
            lock.seek(0)
            holder = lock.read().strip() or "another process"
            lock.close()
            raise ValueError(
                f"{self.path} is in use by {holder}: wait for it, stop it, or give this run another"
                " name"
            )
        lock.truncate(0)
        with naming(self.path):
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
        self._lock = lock
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            self._lock.truncate(0)
            self._lock.close()
            self._lock = None

    def record(
        self, configuration: dict[str, Any], *, free: Iterable[str] = (), has_begun: bool = True
    ) -> bool:
        """Writes the configuration of a new run; checks that of a resumed one.

        Args:
            configuration: resolved, plain values.
            free: dotted keys that may change, with all below them, when a run resumes
                (`trainer.max_steps`, `logger`, …). Their new values are written.
            has_begun: False: an earlier start saved nothing, so any key may change.

        Returns:
            whether the run is resumed.

        Raises:
            ValueError: another key has changed; the message lists every difference.
        """
        configuration = json.loads(json.dumps(configuration))
        continued = has_begun and self.config_path.exists()
        if continued:
            self.require_same(configuration, free=free)
        write_json(self.config_path, configuration)
        return continued

    def require_same(self, configuration: dict[str, Any], *, free: Iterable[str] = ()) -> None:
        """What `record` checks of a resumed run, for processes that record nothing.

        Raises:
            ValueError: another key than those of `free` differs; the message lists every one.
        """
        if not self.config_path.exists():
            return
        now, free = current(json.loads(json.dumps(configuration))), tuple(free)
        changes = difference_lines(decisive(self.recorded(), free), decisive(now, free))
        if changes:
            lines = "\n".join(f"  {change}" for change in changes)
            raise ValueError(
                f"{self.path} holds a run with another configuration (before → now):\n{lines}\nGive"
                " this run another name, restore the former values, or remove the folder to start"
                " again."
            )

    def recorded(self) -> dict[str, Any]:
        """The configuration that the run was started with.

        Raises:
            FileNotFoundError: there is no such run.
        """
        if not self.config_path.exists():
            raise FileNotFoundError(
                f"there is no run at {self.path}: give its name (name=…) or its folder"
                " (paths.run=…)"
            )
        configuration: dict[str, Any] = read_json(self.config_path, dict[str, Any])
        return configuration


def differences(before: Any, now: Any, key: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted key, value before, value now) wherever two nested configurations differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for name in [*before, *(name for name in now if name not in before)]:
            yield from differences(
                before.get(name, _MISSING),
                now.get(name, _MISSING),
                f"{key}.{name}" if key else name,
            )
    elif not (_is_nothing(before) and _is_nothing(now)) and (
        before is _MISSING or now is _MISSING or before != now
    ):
        yield key, before, now


def difference_lines(before: Any, now: Any, key: str = "") -> list[str]:
    """A line "key: before → now" for each of `differences`."""
    return [f"{at}: {_show(old)} → {_show(new)}" for at, old, new in differences(before, now, key)]


def _show(value: Any) -> str:
    return "(absent)" if value is _MISSING else json.dumps(value)


def _is_nothing(value: Any) -> bool:
    """Absent, or an empty node, whose keys were all free."""
    return value is _MISSING or value == {}
