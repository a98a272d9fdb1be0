"""Claims: which worker writes which shard, in a shared folder, without locks.

A claim is a file `NAME.GENERATION`. It is created by a hard link, which is atomic on network file
systems as well: the file is complete, and only one process creates it. The newest generation is
valid. A worker that finds its holder dead creates the next generation. No file is removed for that,
so no live claim can be removed by mistake.
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
from teachers.plain_values import read_json_file


@dataclass(frozen=True)
class Claim:
    """The right to write one shard: a context that releases the claim at its end.

    Attributes:
        folder: of all claims.
        name: what is claimed.
        generation: 0 for the first claim to this name.
        token: random; distinguishes this claim from any other.
    """

    folder: Path
    name: str
    generation: int
    token: str

    @property
    def path(self) -> Path:
        """The file of the claim."""
        return self.folder / f"{self.name}.{self.generation}"

    def beat(self) -> None:
        """Renews the claim: sets the file's modification time, which `stale_seconds` refers to."""
        with suppress(FileNotFoundError):
            if self.is_held():
                os.utime(self.path)

    def is_held(self) -> bool:
        """Whether the claim is still valid; not if another worker has taken it over."""
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
            for generation in _generations(self.folder, self.name):  # its own last
                (self.folder / f"{self.name}.{generation}").unlink(missing_ok=True)


class Claims:
    """The claims of a folder.

    Args:
        folder: on a file system that all workers share.
        stale_seconds: age after which a claim that wasn't renewed is free. On the holder's own
            machine, the end of its process is detected at once.
    """

    def __init__(self, folder: Path, *, stale_seconds: float | int = 600.0) -> None:
        self.folder, self.stale_seconds = folder, float(stale_seconds)
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> Claim | None:
        """Claims a name; None if another live process holds it."""
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
            # The file system's time: the clocks of the workers may differ.
            with tempfile.TemporaryFile(dir=self.folder) as clock:
                return os.fstat(clock.fileno()).st_mtime - path.stat().st_mtime > self.stale_seconds
        except FileNotFoundError:  # released in the meantime
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
        return read_json_file(path, dict[str, Any])
    except (OSError, ValueError):
        return {}


def _myself() -> dict[str, Any]:
    """Machine, process number and start time: process numbers are reused, and each container counts
    its own.
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
    """The start time of a process in clock ticks since boot; None if it doesn't run."""
    try:
        words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return None if words[0] in ("Z", "X") else words[19]
    except OSError:
        return None
