"""Verification of shards: checksums, and one identity of each drawn again."""

from collections.abc import Callable, Iterator

from pipeline.runs.files import sha256_of_file
from pipeline.sampling.source import Sampler

from .manifest import Description, Shard
from .record import LATENT_FIELDS, OPTIONAL_LATENT_FIELDS, latent_fields
from .shard_errors import CorruptShard, ShardError
from .shard_folder import ShardFolder
from .shards import ShardFile


def broken_shards(
    folder: ShardFolder,
    description: Description,
    sampler: Sampler,
    on_shard: Callable[[Shard], None] = lambda shard: None,
) -> Iterator[tuple[int, ShardError]]:
    """Verifies the complete shards: their sha256, and latent and cameras of the first identity.

    Args:
        folder: of the set.
        description: as configured.
        sampler: draws the first identity of each shard again.
        on_shard: called with each valid shard.

    Yields:
        number and error of each invalid shard.

    Raises:
        ValueError: the folder holds a set with another description.
    """
    digest = folder.begin(description)
    for name in sorted(folder.done()):
        try:
            shard, offsets = folder.facts(name)
            _require_bytes(folder, name, shard, digest)
            _require_identity(folder, name, shard, offsets, sampler)
        except ShardError as error:
            yield name, error
        else:
            on_shard(shard)


def _require_bytes(folder: ShardFolder, name: int, shard: Shard, digest: str) -> None:
    path = folder.tar(name)
    if not path.exists():
        raise CorruptShard(f"{path} is missing")
    if shard.digest != digest:
        raise CorruptShard(f"{path} belongs to another set")
    if (size := path.stat().st_size) != shard.bytes:
        raise CorruptShard(f"{path} has {size} bytes, {shard.bytes} were written")
    if sha256_of_file(path) != shard.sha256:
        raise CorruptShard(f"{path} was changed after it was written: its sha256 differs")


def _require_identity(
    folder: ShardFolder, name: int, shard: Shard, offsets: list[int], sampler: Sampler
) -> None:
    file = ShardFile(folder.tar(name), offsets)
    try:
        stored = file.read(0)
    finally:
        file.close()
    drawn = latent_fields(sampler.draw([shard.first]), 0)
    different = [
        field
        for field in (*LATENT_FIELDS, *OPTIONAL_LATENT_FIELDS)
        if stored.get(field) != drawn.get(field)
    ]
    if different:
        raise CorruptShard(
            f"identity {shard.first} of {folder.tar(name)} is not the one that the sampler draws:"
            f" {', '.join(different)} differ"
        )
