"""A stream through a network that loses and delays packets.

Run it by `python -m tests.benchmarks.stream_network`.

Sender and receiver are `trilift stream` in two network namespaces (`tests/bad_network.py`); needs
root. Prints a row for each weather and TCP congestion control.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from pipeline.inference.video import write_video
from pipeline.pictures import to_uint8
from pipeline.worlds.puppets.sequences import render_sequence
from pipeline.worlds.puppets.world import PuppetWorld
from pipeline.worlds.splits import Split, WorldSeeds
from tests.bad_network import ADDRESSES, BadNetwork, Weather

RATE = 10
WEATHERS = {
    "as it is": Weather(),
    "5 % lost": Weather(loss=0.05),
    "100 ± 50 ms": Weather(delay_ms=100, jitter_ms=50),
    "5 % lost, 100 ± 50 ms": Weather(loss=0.05, delay_ms=100, jitter_ms=50),
}
STREAM = (sys.executable, "-m", "pipeline.verbs.stream")


def main() -> None:
    """Measures, prints a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--congestion", nargs="*", default=["bbr", "reno"])
    parser.add_argument("--weathers", nargs="*", default=list(WEATHERS))
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| TCP | each way | packets lost | frames/s | largest gap, ms | capture to display p50,"
        " p90, p99, ms | broken packets |\n" + "|---" * 7 + "|"
    )
    with tempfile.TemporaryDirectory() as folder:
        clip = film(Path(folder))
        for congestion in given.congestion:
            with streaming(clip, congestion, Path(folder)) as (network, address):
                for name in given.weathers:
                    print(row(network, address, name, given.seconds, Path(folder)), flush=True)


def film(folder: Path) -> Path:
    """Three seconds of a puppet."""
    seeds = WorldSeeds.of(Split.TEST, [3])
    world = PuppetWorld(supersampling=1)
    frames = render_sequence(world, seeds, 3 * RATE, 64, fps=float(RATE)).image(1.0)
    return write_video(folder / "clip", [to_uint8(one) for one in frames], frames_per_second=RATE)


@contextmanager
def streaming(clip: Path, congestion: str | None, folder: Path) -> Iterator[tuple[BadNetwork, str]]:
    """A sender in the first namespace, until the block ends."""
    with BadNetwork(Weather(), congestion=congestion) as network:
        settings = (f"input={clip}", "portraits=whole", "loop=true", f"host={ADDRESSES[0]}")
        rest = (f"frames_per_second={RATE}", "threads=1", "kernels=fast", "port=8090")
        sender = subprocess.Popen(
            [*network.within(0), *STREAM, *settings, *rest],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        try:
            assert sender.stdout is not None
            said = next(line for line in sender.stdout if line.startswith("open "))
            yield network, re.findall(r"http\S+", said)[0]
        finally:
            sender.terminate()
            sender.wait(20)


def received(network: BadNetwork, address: str, seconds: float, folder: Path) -> dict[str, Any]:
    """What a receiver in the second namespace reports."""
    report = folder / "report.json"
    settings = (f"address='{address}'", f"seconds={seconds}", f"report={report}")
    subprocess.run(
        [*network.within(1), *STREAM, *settings, "threads=1", "kernels=fast"],
        check=True,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def row(network: BadNetwork, address: str, name: str, seconds: float, folder: Path) -> str:
    """One line of the table."""
    network.weather = WEATHERS[name]
    before = network.passed, network.lost
    report = received(network, address, seconds, folder)
    lost = network.lost - before[1]
    share = lost / max(1, lost + network.passed - before[0])
    latency = report["latency"]
    total = latency.get("milliseconds", {}).get("capture to display", {})
    percentiles = ", ".join(f"{total.get(f'p{p}', float('nan')):.0f}" for p in (50, 90, 99))
    return (
        f"| {network.congestion} | {name} | {share:.1%} | {latency.get('frames_per_second')} |"
        f" {latency.get('largest_gap_ms')} | {percentiles} |"
        f" {report['damaged'] + report['malformed']} |"
    )


if __name__ == "__main__":
    main()
