"""`make bench-long`: what takes an hour: time to quality, inversions with their curves, three pairs
of baseline and ours, runtimes of the large student, `make test`. `python -m
tests.benchmarks.bench_long [--output FOLDER] [--rows NAME,…] [--minutes N]`.

Its training runs stay in build/bench-long: the same command continues them.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import quality, report
from tests.benchmarks.bench import arguments, end, measured, run
from tests.benchmarks.machine import ROOT
from tests.benchmarks.rows import LONG

WORK = ROOT / "build" / "bench-long"
SEEDS = (0, 1, 2)
INVERSION_SECONDS = 900


def main() -> None:
    """Measures, writes, prints the table of targets."""
    given = arguments("bench_long", minutes=88)
    started, seconds = time.monotonic(), given.minutes * 60

    def is_wanted(name: str) -> bool:
        return given.rows is None or name in given.rows

    rows = {row.name: (row.limit, measured(row, given.scale)) for row in LONG
            if is_wanted(row.name)}  # fmt: skip
    document = run("bench-long", rows, given.output, seconds=seconds)
    if is_wanted("inversions"):
        left = min(INVERSION_SECONDS, seconds - (time.monotonic() - started))
        document["inversions"] = inversions(given.scale, left)
    if is_wanted("quality"):
        document["quality"] = quality.measure(
            WORK, given.output, seeds=SEEDS, seconds=seconds - (time.monotonic() - started) - 60
        )
        document["further"] = quality.verdicts(document["quality"])
    (given.output / "bench-long.json").write_text(json.dumps(document, indent=1) + "\n")
    report.write(document, given.output)
    print(report.targets(document))


def inversions(scale: str, seconds: float) -> dict[str, Any]:
    """Curves of each method with both kernels, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "inversions.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.inversion_curves", str(output), scale],
            cwd=ROOT, start_new_session=True,
        )  # fmt: skip
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(1.0, seconds))
        end(process)
        return json.loads(output.read_text()) if output.exists() else {}


if __name__ == "__main__":
    main()
