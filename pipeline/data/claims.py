"""Who writes which shard: claims in a shared folder, without locks, that the dead don't keep.

A claim is a file `NAME.GENERATION` that is created as a whole and only once (a hard link, which is
atomic on network file systems, too). The newest generation holds. Whoever finds it dead creates the
next one, and of several who do, one succeeds; nothing has to be removed for that, so no live claim
can be removed by mistake.
"""

import json
import os
import socket
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

from pipeline.runs.files import created_file


@dataclass(frozen=True)
class Claim:
    """The right to write one shard; used as a context, it is given back at the end."""

    folder: Path
    name: str
    generation: int
    token: str

    @property
    def path(self) -> Path:
        """Its file."""
        return self.folder / f"{self.name}.{self.generation}"

    def beat(self) -> None:
        """Says that its holder is at work."""
        with suppress(FileNotFoundError):
            if self.is_held():
                os.utime(self.path)

    def is_held(self) -> bool:
        """False once another worker took this one for dead."""
        generations = _generations(self.folder, self.name)
        if not generations or generations[-1] != self.generation:
            return False
        return _read(self.path).get("token") == self.token

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_held():
            for generation in _generations(self.folder, self.name):  # the own one last
                (self.folder / f"{self.name}.{generation}").unlink(missing_ok=True)


class Claims:
    """The claims of a folder.

    Args:
        folder: on a file system that all workers share.
        stale_seconds: a holder without a sign of life for so long is taken for dead; on the same
            machine, the death of its process is enough.
    """

    def __init__(self, folder: Path, *, stale_seconds: float | int = 600.0) -> None:
        self.folder, self.stale_seconds = folder, float(stale_seconds)
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> Claim | None:
        """A claim to that name; None while a live worker holds one."""
        generations = _generations(self.folder, name)
        if generations and not self._is_dead(self.folder / f"{name}.{generations[-1]}"):
            return None
        claim = Claim(self.folder, name, generations[-1] + 1 if generations else 0, uuid4().hex)
        content = json.dumps({"token": claim.token, **_myself()}).encode()
        return claim if created_file(claim.path, content) else None

    def _is_dead(self, path: Path) -> bool:
        holder, me = _read(path), _myself()
        if holder.get("machine") == me["machine"] and _started(
            int(holder.get("process") or 0)
        ) != holder.get("started"):
            return True
        try:
            with tempfile.TemporaryFile(
                dir=self.folder
            ) as clock:  # the file system's time, which all workers share
                return os.fstat(clock.fileno()).st_mtime - path.stat().st_mtime > self.stale_seconds
        except FileNotFoundError:  # given back in the meantime
            return False


def _generations(folder: Path, name: str) -> list[int]:
    with os.scandir(folder) as entries:
        return sorted(
            int(entry.name.rpartition(".")[2])
            for entry in entries
            if entry.name.rpartition(".")[0] == name
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError):
        return {}


def _myself() -> dict[str, Any]:
    """This process so that no other, ever, is mistaken for it: process numbers are used again, and
    each container has its own.
    """
    return {"machine": _machine(), "process": os.getpid(), "started": _started(os.getpid())}


def _machine() -> str:
    parts = [socket.gethostname()]
    for read in (
        lambda: Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        lambda: os.readlink("/proc/self/ns/pid"),
    ):
        try:
            parts.append(read())
        except OSError:
            parts.append("")
    return " ".join(parts)


def _started(process: int) -> str | None:
    """When a process began, in the system's own ticks; None: there is none (any more)."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return None if words[0] in ("Z", "X") else words[19]
    except OSError:
        return None
