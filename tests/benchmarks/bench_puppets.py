"""How many puppets a second: `python tests/benchmarks/bench_puppets.py [pictures]`; one process,
one thread, 64² with 2×2 samples.
"""

import sys
import time

import torch

from pipeline.worlds.puppets.dataset import CHUNK, PoseDistribution
from pipeline.worlds.puppets.splits import PuppetSeeds, Split
from pipeline.worlds.puppets.world import PuppetWorld


def measure(world: PuppetWorld, pictures: int, resolution: int = 64) -> float:
    """Pictures a second of processor time, after one chunk to warm up."""
    distribution = PoseDistribution()
    started = 0.0
    for first in range(0, pictures + CHUNK, CHUNK):
        if first == CHUNK:
            started = time.process_time()
        seeds = PuppetSeeds.of(Split.VALIDATE, range(first, first + CHUNK))
        world.render(seeds, distribution.cameras(seeds), resolution)
    return pictures / (time.process_time() - started)


def main() -> None:
    """Prints the speed without and with compiled kernels (the first compilation takes minutes)."""
    pictures = int(sys.argv[1]) if len(sys.argv) > 1 else 64
    torch.set_num_threads(1)
    for is_compiled in (False, True):
        started = time.perf_counter()
        rate = measure(PuppetWorld(compile=is_compiled), pictures)
        kind = "compiled" if is_compiled else "eager"
        print(
            f"{kind:9} {rate:6.1f} images/s per core ({time.perf_counter() - started:.0f} s in all)"
        )


if __name__ == "__main__":
    main()
