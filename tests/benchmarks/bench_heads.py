"""Images a second of the world of heads: `python -m tests.benchmarks.bench_heads`.

A new identity in every image, one process with one thread for each core, after a warm-up.
"""

import multiprocessing
import os
import resource
import time
from typing import Any

IMAGES = {64: 60, 128: 30, 256: 10}
"""Side: images of each process."""
WARM_UP = 6


def draw(results: Any, go: Any, first: int, side: int, count: int) -> None:
    """Renders in a process of its own; puts "ready", then (seconds, peak memory in bytes)."""
    import torch

    from pipeline.worlds.heads.world import HeadWorld
    from pipeline.worlds.splits import Split, WorldSeeds
    from teachers.rendering.camera import Camera

    torch.set_num_threads(1)
    world = HeadWorld()

    def render(begin: int, number: int) -> None:
        camera = Camera.orbit(torch.linspace(-0.6, 0.6, number), torch.zeros(number))
        world.render(WorldSeeds.of(Split.TRAIN, range(begin, begin + number)), camera, side)

    render(first, WARM_UP)
    results.put("ready")
    go.wait()
    started = time.perf_counter()
    render(first + WARM_UP, count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    results.put((time.perf_counter() - started, peak))


def main() -> None:
    """Prints a row for each size."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    cores = len(os.sched_getaffinity(0))
    for side, count in IMAGES.items():
        results, go = context.Queue(), context.Event()
        processes = [
            context.Process(target=draw, args=(results, go, 1000 * number, side, count))
            for number in range(cores)
        ]
        for process in processes:
            process.start()
        for _ in processes:
            results.get()
        go.set()
        seconds, peaks = zip(*(results.get() for _ in processes), strict=True)
        speed = cores * count / max(seconds)
        print(f"{side}²: {speed:.1f} images/s, {max(peaks) / 1e9:.2f} GB a process", flush=True)


if __name__ == "__main__":
    main()
