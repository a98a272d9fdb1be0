"""A training step beside other programs, by the way in which OpenMP's threads wait for each other.

`python tests/benchmarks/bench_waiting.py [ROUNDS [STEPS]]`: `experiment=laptop` in one process per
measurement, alone and beside one busy loop per core. The ways take turns, so that whatever else the
machine does is shared by all of them. Prints a Markdown table of medians over all steps.

libgomp, the OpenMP of torch's CPU build, lets a thread that waits at the end of a parallel region
spin for about 3 ms before it sleeps. Beside another program this burns the time that the slower
thread needs. `pipeline/__init__.py` makes threads of ours sleep after 0.1 ms.
"""

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

CORES = len(os.sched_getaffinity(0))

SPINNING = {"GOMP_SPINCOUNT": "300000"}
"""libgomp's own default."""

WAYS: dict[str, tuple[dict[str, str], int]] = {
    "spinning (libgomp's default)": (SPINNING, CORES),
    "spinning for 0.1 ms (ours)": ({"GOMP_SPINCOUNT": "10000"}, CORES),
    "spinning for 0.03 ms": ({"GOMP_SPINCOUNT": "3000"}, CORES),
    "spinning for 0.01 ms": ({"GOMP_SPINCOUNT": "1000"}, CORES),
    "sleeping": ({"OMP_WAIT_POLICY": "PASSIVE"}, CORES),
    "sleeping, half the threads": ({"OMP_WAIT_POLICY": "PASSIVE"}, max(1, CORES // 2)),
    "one thread": ({}, 1),
}
"""Environment and threads of each way."""

WARM_UP = 2
TIME_LIMIT = 900
BUSY = f"""
import time
end = time.monotonic() + {TIME_LIMIT}
while time.monotonic() < end:
    sum(range(100000))
"""

SETTINGS = (
    "experiment=laptop",
    "callbacks.validation.every_steps=1000000",
    "callbacks.validation.samples=1",
    "callbacks.preview.every_steps=1000000",
    "callbacks.state.every_steps=1000000",
    "callbacks.state.every_minutes=1000000",
)


def main(rounds: int = 2, steps: int = 10) -> None:
    """Measures and prints the table."""
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(rounds):
        for is_loaded in (False, True):
            for name, (environment, threads) in WAYS.items():
                with busy_cores(CORES if is_loaded else 0):
                    measured = measure(environment, threads, steps)
                times.setdefault((name, is_loaded), []).extend(measured)
                print(f"{name}, loaded: {is_loaded}: {measured}", file=sys.stderr, flush=True)
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{platform.machine()}, {CORES} cores, load {load}; {rounds} rounds of {steps} steps\n")
    print("| threads wait by | threads | alone, s a step | one busy loop per core | ratio |")
    print("|---|---:|---:|---:|---:|")
    quiet = statistics.median(times[next(iter(WAYS)), False])
    for name, (_, threads) in WAYS.items():
        alone, loaded = (statistics.median(times[name, is_loaded]) for is_loaded in (False, True))
        print(f"| {name} | {threads} | {alone:.2f} | {loaded:.2f} | {loaded / quiet:.2f} |")
    print(f"\nThe ratio is to {quiet:.2f} s, the first way alone.")


def measure(environment: dict[str, str], threads: int, steps: int) -> list[float]:
    """Seconds of each step, in a process of its own."""
    clean = {
        key: value
        for key, value in os.environ.items()
        if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    }
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, __file__, "--training", f"paths.run={folder}/run", *SETTINGS,
             f"trainer.threads={threads}", f"trainer.max_steps={steps + WARM_UP}"],
            env=clean | environment, stdout=subprocess.PIPE, text=True, check=True,
            timeout=TIME_LIMIT, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    return [float(line.split()[1]) for line in done.stdout.splitlines() if "step_seconds" in line]


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """That many busy loops meanwhile."""
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def train(settings: Sequence[str]) -> None:
    """`trilift distill SETTINGS`, printing the seconds of each step."""
    from pipeline.verbs import distill  # isort: skip (before lightning, which loads torch)
    from lightning import Callback, Trainer

    class Clock(Callback):
        started = 0.0

        def on_train_batch_start(self, *arguments: object) -> None:
            self.step = self.__dict__.get("step", 0) + 1
            self.last = self.__dict__.get("now", time.perf_counter())

        def on_train_batch_end(self, *arguments: object) -> None:
            self.now = time.perf_counter()
            if self.step > WARM_UP:
                print(f"step_seconds {self.now - self.last:.3f}", flush=True)

    make = Trainer.__init__

    def make_with_clock(self: Trainer, **arguments: object) -> None:
        arguments["callbacks"] = [*arguments["callbacks"], Clock()]  # type: ignore[misc]
        make(self, **arguments)  # type: ignore[arg-type]

    Trainer.__init__ = make_with_clock  # type: ignore[method-assign]
    sys.argv = ["trilift distill", *settings]
    distill.main()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--training"]:
        train(sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
