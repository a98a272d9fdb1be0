"""Runs one cell in a process of its own and keeps its record.

A process of its own, so that Lightning's children for several GPUs start the run again and not the
sweep, a crash ends only its cell, and a cell does what `trilift VERB` does.
"""

import logging
import signal
import time
from dataclasses import replace
from pathlib import Path

from pipeline.runs.child_process import ChildProcess, verb_command
from teachers.plain_values import read_json_file

from .cell import Cell, CellRecord, State, is_first_task
from .gpus import own_gpu

log = logging.getLogger(__name__)

STOPPED = (75, 128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM)
"""Exit statuses of runs that a signal stopped and that can be continued."""

ERROR_LINES = 12


def run_cell(cell: Cell) -> State:
    """Runs or continues a cell unless another process runs it; its output is appended to
    `output.log` in its folder.
    """
    if not is_first_task():
        with ChildProcess(verb_command(cell.verb, cell.overrides)) as process:
            return "finished" if process.wait() == 0 else "failed"
    with cell.held() as lock:
        if lock is None:
            log.info("%s: another process runs it", cell.name)
            return "running"
        with own_gpu(cell.configuration) as environment:
            return _attempt(cell, lock.fileno(), environment)


def _attempt(cell: Cell, lock: int, environment: dict[str, str]) -> State:
    before = cell.record() or CellRecord("new", cell.fingerprint, [])
    attempts = before.attempts + 1
    record = replace(
        before,
        state="running",
        fingerprint=cell.fingerprint,
        overrides=[*cell.overrides],
        attempts=attempts,
        error=None,
    )
    cell.write(record)
    started, clock = time.time(), time.perf_counter()
    state: State = "interrupted"
    try:
        with (cell.folder / "output.log").open("ab") as output:
            start = output.tell()
            with ChildProcess(
                verb_command(cell.verb, cell.overrides),
                output=output,
                inherited=[lock],
                environment=environment,
            ) as process:
                status = process.wait()
        state = _state_after(status, cell.folder / "status.json", started)
        if state == "failed":
            record = replace(record, error=_error(cell.folder / "output.log", start, status))
    finally:
        seconds = time.perf_counter() - clock
        cell.write(replace(record, state=state, seconds=round(record.seconds + seconds, 1)))
    log.info(
        "%s: %s after %.0f s%s",
        cell.name,
        state,
        seconds,
        f": {record.error}" if record.error else "",
    )
    return state


def _state_after(status: int, marked: Path, started: float) -> State:
    """From the exit status and the run's own mark: after a time limit the status is 0, too."""
    try:
        is_unfinished = (
            marked.stat().st_mtime >= started - 1
            and read_json_file(marked, dict[str, object]).get("status") == "unfinished"
        )
    except FileNotFoundError:
        is_unfinished = False
    if is_unfinished or status in STOPPED:
        return "interrupted"
    return "failed" if status else "finished"


def _error(log_file: Path, start: int, status: int) -> str:
    """The verb's last error in this attempt: its own line and what follows, or the last line."""
    with log_file.open("rb") as file:
        file.seek(start)
        lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    own = [number for number, line in enumerate(lines) if line.startswith("trilift ")]
    words = "\n".join(lines[own[-1] :][:ERROR_LINES] if own else lines[-1:])
    how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return f"{how}: {words}" if words else how
