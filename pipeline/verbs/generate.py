"""Store a teacher's samples as shards, which distill reads instead of drawing them.

The same command resumes. Any number of workers, on machines that share the folder, may run it at
once; each shard is written by one of them. `shards=latent` stores kilobytes per identity, and
distill renders them; `shards=full` stores the images. `verify=true` checks every shard.

provenance=c2pa signs manifest.json, which holds the checksums of all shards, by a sidecar
(`trilift provenance init` first; docs/responsibility.md).
"""

import json
import logging
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from pipeline.build.application import verb
from pipeline.build.configuration import instantiate, to_plain
from pipeline.build.numerics import with_kernels
from pipeline.build.sampler import build_sampler, distributions_of
from pipeline.build.signing import build_signatory
from pipeline.data.generation_progress import GenerationProgress
from pipeline.data.manifest import Description, weights_hash
from pipeline.data.record import Storage
from pipeline.data.shard_check import broken_shards
from pipeline.data.shard_errors import CorruptShard
from pipeline.data.shard_folder import ShardFolder
from pipeline.data.shard_writer import ShardWriter
from pipeline.runs.kernel_choice import teacher_trial
from pipeline.sampling.sample_numbers import FIRST_HELD_OUT
from pipeline.sampling.source import Sampler
from teachers.teacher import Teacher

log = logging.getLogger("trilift.generate")

GOLDEN_RATIO = (5**0.5 - 1) / 2


@verb("generate")
def main(config: DictConfig) -> int:
    """Writes missing shards, or verifies existing ones.

    Returns:
        the number of identities that this worker wrote.
    """
    is_written = config.repair or not config.verify
    shards: Sequence[int] = configured_shards(config) if is_written else ()
    torch.set_num_threads(config.threads or max(1, len(os.sched_getaffinity(0))))
    teacher: Teacher = instantiate(config.teacher)
    with_kernels(config, lambda: teacher_trial(teacher, gradients=False))
    sampler = build_sampler(config, teacher)
    description = describe(to_plain(config), teacher)
    folder = ShardFolder(Path(config.output))
    # Before verifying: a filter may decide otherwise on another device than the one that wrote.
    sampler.to(torch.device(_device(config.device)))
    if config.verify or config.repair:
        removed = verify(folder, description, sampler, repair=config.repair)
        if not is_written:
            return 0
        # those of an earlier, larger command, too: nothing else would write them again
        shards = sorted({*shards, *removed})
    writer = ShardWriter(
        folder=folder,
        description=description,
        sampler=sampler,
        batch_size=config.batch_size,
        stale_seconds=60 * config.stale_minutes,
    )
    settings = {"provenance": config.provenance, "signing": to_plain(config.signing)}
    signatory = build_signatory(settings, teacher.passport, "generate")
    with ended_by_sigterm():
        written = write(writer, shards, worker=config.worker)
    if signatory is not None:
        signatory.sign([folder.path / "manifest.json"])  # holds the checksum of every shard
    return written


def describe(config: dict[str, Any], teacher: Teacher) -> Description:
    """The description of the shards of a configuration.

    Raises:
        ValueError: `shards.kind` or a precision is unknown.
    """
    kind, storage = config["shards"]["kind"], {}
    if kind == "full":
        storage = {name: config["shards"][name] for name in ("pictures", "features", "planes")}
        Storage(**storage)
    elif kind != "latent":
        raise ValueError(f"shards.kind is {kind!r}: use shards=latent or shards=full")
    passport = json.loads(teacher.passport.to_json())
    passport.pop("training_data", None)  # earlier sets of the same teacher lack it
    return Description(
        kind=kind,
        teacher=passport,
        weights=weights_hash(teacher),
        seed=config["seed"],
        shard_size=config["shards"]["size"],
        distributions=json.loads(json.dumps(distributions_of(config))),
        storage=storage,
    )


def configured_shards(config: DictConfig) -> range:
    """The numbers of the shards that hold the identities [first, first + count).

    Raises:
        ValueError: the interval isn't a number of full shards, or includes held-out identities.
    """
    size, first, count = config.shards.size, config.first, config.count
    if size < 1 or count < 1 or first < 0:
        raise ValueError(
            f"got shards.size={size}, first={first}, count={count}: sizes and counts are at least"
            " 1, numbers at least 0"
        )
    if first % size or count % size:
        nearest = {"first": first // size * size, "count": -(-count // size) * size}
        advice = " ".join(f"{name}={value}" for name, value in nearest.items())
        raise ValueError(
            f"first={first} and count={count} don't make whole shards of {size} identities: use"
            f" {advice}, or another shards.size"
        )
    if first + count > FIRST_HELD_OUT:
        raise ValueError(
            f"identities from number {FIRST_HELD_OUT} on are held out for validation:"
            f" first={first} and count={count} include some; use smaller ones"
        )
    return range(first // size, (first + count) // size)


def write(writer: ShardWriter, shards: Sequence[int], *, worker: int) -> int:
    """Writes the shards that are neither complete nor claimed by another worker.

    Args:
        writer: of the set.
        shards: shard numbers.
        worker: its number; workers start at different shards.

    Returns:
        the number of identities that this worker wrote.
    """
    folder, size = writer.folder, writer.description.shard_size
    done = folder.done() & set(shards)
    progress = GenerationProgress(total=len(shards) * size, done=len(done) * size)
    start = int(worker * GOLDEN_RATIO % 1 * len(shards))  # workers start far from each other
    written = 0
    try:
        for name in [*shards[start:], *shards[:start]]:
            if name not in done and writer.write(name, progress.add_identities):
                written += 1
                progress.add_shard(size, folder.tar(name).stat().st_size)
            progress.see(len(folder.done() & set(shards)) * size)
    finally:
        progress.close()
    manifest = folder.merge()
    left = set(shards) - set(manifest.shards)
    size_mb = sum(shard.bytes for shard in manifest.shards.values()) / 1e6
    log.info("worker %d wrote %d shards (%s)", worker, written, progress.text())
    log.info("%s holds %d identities, %.3g MB", folder.path, manifest.count, size_mb)
    if left:
        log.info(
            "%d shards are being written by other workers; if one of them dies, run the same"
            " command again",
            len(left),
        )
    return written * size


def verify(
    folder: ShardFolder, description: Description, sampler: Sampler, *, repair: bool
) -> list[int]:
    """Verifies every complete shard and `manifest.json`, and logs what is invalid.

    Args:
        folder: of the set.
        description: as configured.
        sampler: draws the first identity of each shard again.
        repair: remove invalid shards, so that they are written again, as the manifest always is.

    Returns:
        the numbers of the removed shards, whatever identities the command asks for.

    Raises:
        SystemExit: a shard or the manifest is invalid, and `repair` is false.
    """
    folder.require()
    is_merged = _is_merged(folder)  # before a repair removes the manifest
    valid: list[int] = []
    broken: list[int] = []
    for name, error in broken_shards(
        folder, description, sampler, on_shard=lambda shard: valid.append(shard.count)
    ):
        log.error("%s", error)
        broken.append(name)
        if repair:
            folder.remove(name)
    log.info(
        "%d shards (%d identities) are valid, %d are not",
        len(valid),
        sum(valid),
        len(broken),
    )
    if (broken or not is_merged) and not repair:
        log.error("write what is invalid again with repair=true")
        raise SystemExit(1)
    return broken


def _is_merged(folder: ShardFolder) -> bool:
    try:
        folder.require_merged()
    except CorruptShard as error:
        log.error("%s", error)
        return False
    return True


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM raises SystemExit, so that claims are released and a partial shard is removed."""

    def leave(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    try:
        before = signal.getsignal(signal.SIGTERM)
        ours = before is signal.SIG_DFL  # a scheduler's launcher has a handler of its own
        if ours:
            signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not the main thread
        ours = False
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _device(name: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


if __name__ == "__main__":
    main()
