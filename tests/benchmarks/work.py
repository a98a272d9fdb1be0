"""A row in a process of its own: `python -m tests.benchmarks.work ROW OUTPUT.json [--seconds N]
[--scale tiny] [--memory CONTENDER]`. What is known is written after every round, so that a process
that is ended at its limit has said what it had.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pipeline  # noqa: F401 (how threads wait is decided before torch is loaded)
from tests.benchmarks.machine import peak_bytes
from tests.benchmarks.measuring import Record, Unavailable, take_turns, warmed_up
from tests.benchmarks.rows import LONG, SHORT, Row


def main() -> None:
    """Measures, and writes."""
    started = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("row")
    parser.add_argument("output", type=Path)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--scale", choices=("full", "tiny"), default="full")
    parser.add_argument("--memory", metavar="CONTENDER")
    given = parser.parse_args()
    row = next(row for row in (*SHORT, *LONG) if row.name == given.row)

    def left() -> float:
        return given.seconds - (time.monotonic() - started)

    measure(row, given.scale, left, lambda result: write(given.output, result), given.memory)


def measure(
    row: Row,
    scale: str,
    left: Callable[[], float],
    save: Callable[[dict[str, Any]], None],
    memory: str | None = None,
) -> None:
    """The result of a row, saved whenever there is more of it.

    Args:
        row: what is measured.
        scale: "full" or "tiny".
        left: seconds until the end.
        save: takes {"state": …, "contenders": …} or {"state": …, "growth": …}.
        memory: a contender: only its peak memory is measured, by one call.
    """
    import torch

    torch.set_num_threads(row.threads or len(os.sched_getaffinity(0)))
    save({"state": "starting"})
    try:
        if row.name == "growth":
            grown: dict[str, Any] = {}
            for name, curve in row.function()(scale):
                grown[name] = curve
                save({"state": "measuring", "growth": grown})
            save({"state": "done", "growth": grown})
        elif memory is not None:
            record = Record()
            first = warmed_up(row.contenders(scale)[memory], record, row.per, nullcontext)
            if record.unavailable is None:
                record.peak_bytes, record.values = peak_bytes(), {"cold_seconds": first.seconds[0]}
            save({"state": "done", "contenders": {memory: record.to_dict()}})
        else:
            take_turns(
                row.contenders(scale),
                rounds=row.rounds,
                per=row.per,
                warm_up=row.warm_up,
                left=left,
                count=counted,
                report=lambda records, state: save(
                    {
                        "state": state,
                        "contenders": {name: one.to_dict() for name, one in records.items()},
                    }
                ),
            )
    except Unavailable as reason:
        save({"state": f"not run: {reason}"})


def counted() -> AbstractContextManager[Any]:
    """Counts the operations of convolutions and matrix products."""
    from torch.utils.flop_counter import FlopCounterMode

    return FlopCounterMode(display=False)


def write(path: Path, result: dict[str, Any]) -> None:
    """Whole or not at all."""
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(result))
    beside.replace(path)


if __name__ == "__main__":
    main()
