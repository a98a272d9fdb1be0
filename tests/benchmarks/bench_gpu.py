"""`make bench-gpu`: a GPU in every precision, layout and way of launching, in eight minutes,
offline; `python -m tests.benchmarks.bench_gpu [--output FOLDER] [--device cuda] [--minutes N]`.

What fails says why and takes nothing else down. `--device cpu --scale tiny` is a rehearsal.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pipeline  # noqa: F401 (how threads wait is decided before torch is loaded)
from tests.benchmarks import report
from tests.benchmarks.bench import RESULTS, stored
from tests.benchmarks.machine import machine
from tests.benchmarks.measuring import Contender, Timing, Unavailable, take_turns
from tests.benchmarks.rows import GPU

ROUNDS = 7


def main() -> None:
    """Measures, writes, prints the table of targets."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.bench_gpu")
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--scale", choices=("full", "tiny"), default="full")
    parser.add_argument("--minutes", type=float, default=7.5)
    given = parser.parse_args()
    document = measure(given.device, given.scale, given.output, seconds=given.minutes * 60)
    print(report.targets(document))


def measure(name: str, scale: str, folder: Path, *, seconds: float) -> dict[str, Any]:
    """All rows on a device, written after each.

    Raises:
        ValueError: there is no such device.
    """
    import torch

    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("torch sees no GPU: install its CUDA build, or give --device cpu")
    started = time.monotonic()
    document: dict[str, Any] = {"name": "bench-gpu", "machine": machine(), "rows": {}}
    if device.type == "cuda":
        document["machine"]["gpu"] = torch.cuda.get_device_name(device)
    document["stored"] = stored("bench-gpu")
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(GPU):
        end = started + seconds * (number + 1) / len(GPU)
        print(f"{row.title} …", flush=True)
        document["rows"][row.name] = timed(row, scale, device, end)
        (folder / "bench-gpu.json").write_text(json.dumps(document, indent=1) + "\n")
        if device.type == "cuda":
            torch.cuda.empty_cache()
    report.write(document, folder)
    return document


def timed(row: Any, scale: str, device: Any, end: float) -> dict[str, Any]:
    """The result of a row, which should be there at a time of the monotonic clock."""
    try:
        records, state = take_turns(
            {
                name: not_after(end, made) if name.endswith("compiled") else made
                for name, made in row.function()(scale, device).items()
            },
            rounds=ROUNDS if scale == "full" else 1,
            per=row.per,
            left=lambda: end - time.monotonic(),
        )
    except Exception as error:
        return {"state": f"failed: {type(error).__name__}: {str(error)[:200]}"}
    return {
        "state": state,
        "contenders": {name: record.to_dict() for name, record in records.items()},
    }


def not_after(end: float, contender: Contender) -> Contender:
    """A contender that isn't begun after a time of the monotonic clock: compiling takes minutes."""
    begun: list[bool] = []

    def work() -> Timing | None:
        if not begun and time.monotonic() > end:
            raise Unavailable("its row's time was up before it was compiled")
        begun.append(True)
        return contender.work()

    return dataclasses.replace(contender, work=work)


if __name__ == "__main__":
    main()
