"""`summary.json` in the folder of a run: what ran, in which environment, with which result."""

import math
import platform
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from teachers.plain_values import read_json_file

from .files import write_json
from .processes import is_first_process
from .provenance import command, commit, hardware, packages
from .run_folder import RunFolder


class Summary:
    """A context that writes `summary.json` at its start, with each `update`, and at its end.

    The file holds the configuration, the command, the commit and whether files differ from it, the
    environment (Python, packages, machine, precision), the status, the teacher's passport and the
    scores. A resumed run keeps its scores. Only the first process writes.

    Enter it before an `Attempt`, which determines the status at the end. After a kill the status
    stays "running"; `RunFolder.status` detects that.

    Args:
        run: the folder of the run.
        verb: of `trilift`.
        configuration: resolved, plain values.
        numerics: device, effective precision, kernels.
    """

    def __init__(
        self,
        run: RunFolder,
        *,
        verb: str,
        configuration: Mapping[str, Any],
        numerics: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = run.path / "summary.json"
        self.run = run
        self._numerics = dict(numerics or {})
        self._content: dict[str, Any] = {"verb": verb, "configuration": dict(configuration)}

    def __enter__(self) -> "Summary":
        if not is_first_process():
            return self
        before = self._before()
        self._content = {
            "verb": self._content["verb"],
            "status": "running",
            "started": before.get("started", _now()),
            "ended": None,
            "attempts": before.get("attempts", 0) + 1,
            "command": command(self._content["verb"]),
            **commit(),
            "scores": before.get("scores", {}),
            "passport": before.get("passport"),
            **self._content,
            "environment": {
                "python": platform.python_version(),
                "hardware": hardware(),
                "packages": packages(),
                "numerics": self._numerics,
            },
        }
        self._write()
        return self

    def update(
        self,
        *,
        passport: Mapping[str, Any] | None = None,
        scores: Mapping[str, float] | None = None,
    ) -> None:
        """Sets the teacher's passport; adds scores or replaces those of the same name.

        A score that isn't finite is stored as null.
        """
        if passport is not None:
            self._content["passport"] = dict(passport)
        if scores:
            plain = {
                name: float(value) if math.isfinite(value) else None
                for name, value in scores.items()
            }
            self._content["scores"] = {**self._content.get("scores", {}), **plain}
        self._write()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if is_first_process():
            self._content |= {"status": self.run.status().get("status", "failed"), "ended": _now()}
            self._write()

    def _before(self) -> dict[str, Any]:
        try:
            content = read_json_file(self.path, dict[str, Any])
        except (FileNotFoundError, ValueError):
            return {}
        return content

    def _write(self) -> None:
        if is_first_process():
            write_json(self.path, self._content)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def recorded_command(run: Path) -> str | None:
    """The last command of the run in a folder, without the places where its files lie; None where
    there is no run.
    """
    summary = run / "summary.json"
    if not summary.is_file():
        return None
    words = shlex.split(str(read_json_file(summary, dict[str, Any])["command"]))
    return shlex.join(word for word in words if not word.startswith(("paths.", "data.path=")))
