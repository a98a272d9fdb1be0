"""What ran: `summary.json` in a run's folder, for whoever finds the folder later."""

import json
import math
import platform
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from .files import write_json
from .processes import is_first_process
from .provenance import command, commit, hardware, packages
from .run_folder import RunFolder


class Summary:
    """Keeps `summary.json` current while it is entered: written at the start, with every new fact,
    and at the end.

    It holds the configuration, the command, the commit and whether files differ from it, the
    environment (Python, packages, machine), the status, and the facts that the verb adds: the
    teacher's passport and the scores. A continued run keeps the scores that it had. Only the first
    process writes. To be entered before an `Attempt`, whose verdict is the status at the end; after
    a kill `RunFolder.status` knows better.

    Args:
        run: its folder.
        verb: which.
        configuration: resolved, plain values.
    """

    def __init__(self, run: RunFolder, *, verb: str, configuration: Mapping[str, Any]) -> None:
        self.path = run.path / "summary.json"
        self.run = run
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
        """Adds a teacher's passport, and scores, which replace those of the same names; what isn't
        finite becomes null.
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
            content: dict[str, Any] = json.loads(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return {}
        return content

    def _write(self) -> None:
        if is_first_process():
            write_json(self.path, self._content)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
