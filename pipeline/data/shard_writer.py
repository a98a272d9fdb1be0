"""Writing a set of shards by any number of workers; each shard is written once."""

import errno
import logging
from collections.abc import Callable, Iterator, Sequence

from pipeline.runs.files import replaced_file
from pipeline.sampling.source import Sampler

from .claims import Claim, Claims
from .manifest import Description, Shard
from .record import Fields, Storage, latent_fields, picture_fields, sealed
from .shard_folder import ShardFolder
from .shards import HashingFile, write_records

log = logging.getLogger(__name__)


class _TakenOver(Exception):
    """Another worker has taken over the claim."""


class ShardWriter:
    """One worker. The description and the sample numbers alone determine the contents of a shard.

    Args:
        folder: of the set, shared by all workers.
        description: of the set.
        sampler: draws the identities, with the seed and from the distributions of the description.
        batch_size: identities per batch; latents don't depend on it.
        stale_seconds: see `Claims`.

    Raises:
        ValueError: the folder holds another set, or the sampler can't draw identity 0 of a new one.
    """

    def __init__(
        self,
        *,
        folder: ShardFolder,
        description: Description,
        sampler: Sampler,
        batch_size: int,
        stale_seconds: float | int = 600.0,
    ) -> None:
        self.folder, self.description = folder, description
        self.sampler, self.batch_size = sampler, batch_size
        if not folder.is_begun():
            # An error of the settings comes here: after `begin`, the folder would keep the
            # description with the error and refuse the corrected one.
            records_of(sampler, [0], description)
        self.digest = folder.begin(description)
        self.claims = Claims(folder.path / "claims", stale_seconds=stale_seconds)

    def write(self, name: int, on_identities: Callable[[int], None] = lambda count: None) -> bool:
        """Writes a shard unless it is complete or claimed by another worker.

        Args:
            name: shard number.
            on_identities: called after each batch with its number of identities.

        Returns:
            whether it was written.

        Raises:
            ValueError: the disk is full.
        """
        if self.folder.sidecar(name).exists():
            return False
        claim = self.claims.take(f"{name:06d}")
        if claim is None:
            return False
        with claim:
            if self.folder.sidecar(name).exists():  # finished between the check and the claim
                return False
            self._clear_leftovers(name)
            return self._write(name, claim, on_identities)

    def _write(self, name: int, claim: Claim, on_identities: Callable[[int], None]) -> bool:
        first, count = name * self.description.shard_size, self.description.shard_size
        try:
            with replaced_file(self.folder.tar(name)) as temporary, temporary.open("wb") as file:
                hashing = HashingFile(file)
                offsets = write_records(
                    hashing, self._records(range(first, first + count), claim, on_identities)
                )
                if not claim.is_held():
                    raise _TakenOver
            self.folder.finish(
                name, Shard(first, count, hashing.length, hashing.sha256(), self.digest), offsets
            )
        except _TakenOver:
            log.warning("shard %d was taken over by another worker: not written here", name)
            return False
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise ValueError(
                f"no space left on the disk of {self.folder.path} while writing shard {name}:"
                " finished shards are complete; make room and run the same command again"
            ) from error
        return True

    def _records(
        self, numbers: Sequence[int], claim: Claim, on_identities: Callable[[int], None]
    ) -> Iterator[tuple[int, Fields]]:
        for start in range(0, len(numbers), self.batch_size):
            batch = numbers[start : start + self.batch_size]
            yield from zip(batch, records_of(self.sampler, batch, self.description), strict=True)
            claim.beat()
            on_identities(len(batch))

    def _clear_leftovers(self, name: int) -> None:
        """Removes the temporary files of a worker that was killed."""
        for leftover in self.folder.tar(name).parent.glob(f".{name:06d}.*"):
            leftover.unlink(missing_ok=True)


def records_of(sampler: Sampler, numbers: Sequence[int], description: Description) -> list[Fields]:
    """The fields of the records of some sample numbers, latent or full by the description."""
    draws = sampler.draw(numbers)
    found = [latent_fields(draws, row) for row in range(len(numbers))]
    if description.kind == "full":
        identities, storage = sampler.show(draws), Storage(**description.storage)
        found = [
            {**fields, **picture_fields(identities, row, storage)}
            for row, fields in enumerate(found)
        ]
    return [
        sealed(
            fields,
            number=number,
            seed=description.seed,
            teacher=description.weights,
            truncation=float(draws.truncation[row]),
        )
        for row, (number, fields) in enumerate(zip(numbers, found, strict=True))
    ]
