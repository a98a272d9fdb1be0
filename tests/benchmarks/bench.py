"""`make bench`: every row that takes seconds, in at most ten minutes. `python -m
tests.benchmarks.bench [--output FOLDER] [--rows NAME,…] [--minutes N]`.

Each row runs in a process of its own and has a time limit; what it has by then is reported. Results
are JSON, Markdown and plots, by default in tests/benchmarks/results/, from where the README's table
is made (`python -m tests.benchmarks.speed_table`).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tests.benchmarks.machine import ROOT, OtherWork, git, machine
from tests.benchmarks.rows import SHORT, Row

RESULTS = Path(__file__).resolve().parent / "results"
FEWEST_SECONDS = 8
"""A row isn't begun with less."""

Measure = Callable[[float], dict[str, Any]]
"""Seconds → a row's result."""


def main() -> None:
    """Measures, writes, prints the table of targets."""
    given = arguments("bench", minutes=9.5)
    rows = [row for row in SHORT if given.rows is None or row.name in given.rows]
    work = {row.name: (row.limit, measured(row, given.scale)) for row in rows}
    run("bench", work, given.output, seconds=given.minutes * 60)


def arguments(name: str, minutes: float) -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{name}")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--rows", type=lambda text: text.split(","), help="only these")
    parser.add_argument("--minutes", type=float, default=minutes, help="time limit")
    parser.add_argument("--scale", choices=("full", "tiny"), default="full")
    return parser.parse_args()


def run(
    name: str, work: Mapping[str, tuple[float, Measure]], folder: Path, *, seconds: float
) -> dict[str, Any]:
    """All rows, one after the other; the results are written after each.

    Args:
        name: of the results: NAME.json, NAME.md.
        work: by row: its limit in seconds, and what measures it.
        folder: of the results.
        seconds: that all rows may take together.
    """
    from tests.benchmarks import report  # matplotlib isn't light

    folder.mkdir(parents=True, exist_ok=True)
    started, others = time.monotonic(), OtherWork()
    document: dict[str, Any] = {"name": name, "machine": machine(), "rows": {}}
    document["stored"] = stored(name)
    with tqdm(total=len(work), unit="row", dynamic_ncols=True) as bar:
        for key, (limit, measure) in work.items():
            bar.set_description(key)
            left = seconds - (time.monotonic() - started)
            document["rows"][key] = (
                measure(min(limit, left))
                if left > FEWEST_SECONDS
                else {"state": "not run: the time of the whole was up"}
            )
            document["others_cores"] = others.cores()
            document["seconds"] = time.monotonic() - started
            (folder / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
            bar.update()
    report.write(document, folder)
    print(report.targets(document))
    return document


def measured(row: Row, scale: str) -> Measure:
    """A row, in processes of their own: one for the times, one for each contender's memory."""

    def measure(seconds: float) -> dict[str, Any]:
        started = time.monotonic()
        result = {"contenders": {}, "state": "done"}
        memory_share = 0.2 if row.memory and row.rounds else 1.0 if row.memory else 0.0
        if row.rounds or not row.memory:
            result |= in_process(row, scale, seconds * (1 - memory_share))
        for number, contender in enumerate(row.memory):
            left = seconds - (time.monotonic() - started)
            limit = left / (len(row.memory) - number)
            found = in_process(row, scale, limit, "--memory", contender)
            known = result.setdefault("contenders", {}).setdefault(contender, {})
            for key, value in found.get("contenders", {}).get(contender, {}).items():
                known.setdefault(key, value)
            if "peak_bytes" not in known and "unavailable" not in known:
                result["state"] += f"; memory of {contender}: {found['state']}"
        return {**result, "took": time.monotonic() - started}

    return measure


def in_process(row: Row, scale: str, seconds: float, *extra: str) -> dict[str, Any]:
    """The result that a row's process has written when it ends, or is ended at its limit."""
    with tempfile.TemporaryDirectory() as folder:
        output, errors = Path(folder) / "row.json", Path(folder) / "errors.txt"
        with errors.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.work", row.name, str(output),
                 "--seconds", f"{max(1.0, seconds - 2):.1f}", "--scale", scale, *extra],
                cwd=ROOT, stdout=subprocess.DEVNULL, stderr=stream, start_new_session=True,
            )  # fmt: skip
            was_ended = False
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                was_ended = True
            finally:
                end(process)
        result = json.loads(output.read_text()) if output.exists() else {"state": "starting"}
        if was_ended:
            result["state"] = f"ended at its limit of {seconds:.0f} s ({result['state']})"
        elif process.returncode:
            last = errors.read_text(errors="replace").strip().splitlines()[-1:]
            result["state"] = f"failed: {' '.join(last)}"
        return result


def end(process: subprocess.Popen[bytes]) -> None:
    """Ends a process with those that it has started, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def stored(name: str) -> dict[str, Any] | None:
    """The figures of the last release, as the commit has them: medians by row and contender."""
    text = git("show", f"HEAD:{RESULTS.relative_to(ROOT).as_posix()}/{name}.json")
    if text is None:
        return None
    document = json.loads(text)
    return {
        "machine": document["machine"],
        "rows": {
            key: {
                contender: medians
                for contender, record in row.get("contenders", {}).items()
                if (medians := median_of(record.get("seconds", ()))) is not None
            }
            for key, row in document["rows"].items()
        },
    }


def median_of(values: Sequence[float]) -> float | None:
    """None without values."""
    return sorted(values)[len(values) // 2] if values else None


if __name__ == "__main__":
    main()
