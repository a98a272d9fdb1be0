"""Speed of the sources of identities, with the bundled teacher and the sampler of
`experiment=laptop`.

`python tests/benchmarks/bench_sources.py`: one process with one thread, batches of 8; an identity
is two pictures. Seconds of processor time, of writing shards and of reading them.
"""

import logging
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from pipeline.build.configuration import compose, instantiate, to_plain
from pipeline.build.sampler import build_sampler, build_source
from pipeline.data.shard_folder import ShardFolder
from pipeline.data.shard_writer import ShardWriter
from pipeline.verbs.generate import describe

BATCH = 8
IDENTITIES = 32
SHARDS = {
    "latent_shards": ["shards=latent"],
    "full_shards": ["shards=full"],
    "full_shards with planes": ["shards=full", "shards.planes=float16"],
}


def main() -> None:
    """Writes and reads the same identities in every way."""
    logging.disable(logging.INFO)
    torch.set_num_threads(1)
    config = compose("distill", "experiment=laptop")
    teacher = instantiate(config.teacher)
    plain = to_plain(config)
    sampler = build_sampler(plain, teacher)
    report("live", lambda: read(sampler))
    for name, settings in SHARDS.items():
        with tempfile.TemporaryDirectory() as folder:
            stored = to_plain(compose("generate", *settings, f"shards.size={IDENTITIES}")) | {
                "cameras": plain["cameras"],
                "sampler": plain["sampler"],
            }
            writer = ShardWriter(
                folder=ShardFolder(folder),
                description=describe(stored, teacher),
                sampler=sampler,
                batch_size=BATCH,
            )
            report(f"write {name}", lambda writer=writer: writer.write(0))
            size = next(Path(folder).glob("shards/*.tar")).stat().st_size
            data = to_plain(compose("distill", f"data={name.split()[0]}", f"data.path={folder}"))[
                "data"
            ]
            source = build_source({**plain, "data": data}, sampler, identities=IDENTITIES)
            report(
                f"{name}, {size / IDENTITIES / 1000:.3g} kB per identity",
                lambda source=source: read(source),
            )


def read(source: Any) -> None:
    """All identities once."""
    for start in range(0, IDENTITIES, BATCH):
        source(range(start, start + BATCH))


def report(name: str, work: Callable[[], Any]) -> None:
    """Runs it, and prints its speed."""
    start = time.process_time()
    work()
    seconds = time.process_time() - start
    print(
        f"{name:45} {1000 * seconds / IDENTITIES:8.1f} ms per identity"
        f" {2 * IDENTITIES / seconds:8.1f} images/s",
        flush=True,
    )


if __name__ == "__main__":
    main()
