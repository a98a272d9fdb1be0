"""Stored identities by sample number: located, verified, and replaced if they can't be read."""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pipeline.sampling.random_streams import stream
from teachers.teacher import Teacher

from .manifest import Kind, Manifest
from .record import LATENT_FIELDS, Record, Storage
from .shard_errors import CorruptShard, MissingField, ShardError
from .shard_folder import ShardFolder
from .shards import ShardFile

log = logging.getLogger(__name__)

ATTEMPTS = 16
"""Records that are tried for one sample number before reading fails."""

OPEN_SHARDS = 16


class StoredSamples:
    """A set of shards, random access by sample number.

    Args:
        path: the folder.
        kind: of the shards, "latent" or "full".
        teacher: must be the one that generated the set.
        distributions: the configured groups `cameras` and `sampler`; must be those of the set.
        on_error: "raise", or "skip": an unreadable identity is replaced by another one of the set,
            drawn from a random stream of (seed, number, attempt). The substitute is the same after
            every restart and on any number of processes. It differs between sample numbers, so a
            lost shard isn't replaced by copies of one identity. Replacements are counted and
            logged.
        repeat: map sample numbers that aren't stored to stored ones, modulo the size of the set.
        threads: decode records in parallel.

    Raises:
        FileNotFoundError: the folder holds no set.
        WrongSchema, WrongTeacher, WrongDistributions: the set doesn't fit the configuration;
            `on_error` doesn't apply.
        CorruptShard: no shard is complete.
        ValueError: `on_error` has another value.
    """

    def __init__(
        self,
        *,
        path: Path | str,
        kind: Kind,
        teacher: Teacher,
        distributions: dict[str, Any],
        on_error: Literal["raise", "skip"] = "raise",
        repeat: bool = False,
        threads: int = 4,
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"data.on_error is {on_error!r}: use raise or skip")
        self.folder = ShardFolder(path)
        self.manifest: Manifest = self.folder.read()
        self.manifest.description.require_usable(kind, self.folder.path)
        self.manifest.description.require_teacher(teacher, self.folder.path)
        self.manifest.description.require_distributions(distributions, self.folder.path)
        if not self.manifest.count:
            raise CorruptShard(
                f"{self.folder.path} has no complete shard: let `trilift generate` finish one"
            )
        self.on_error, self.repeat, self.threads = on_error, repeat, threads
        self.required = (
            Storage(**self.manifest.description.storage).required_fields()
            if kind == "full"
            else LATENT_FIELDS
        )
        self.skipped: Counter[str] = Counter()
        self._file = lru_cache(maxsize=OPEN_SHARDS)(self._open)

    @property
    def seed(self) -> int:
        """The seed that the identities were drawn with."""
        return self.manifest.description.seed

    def require(self, count: int) -> None:
        """Raises NumberOutsideRange unless the sample numbers [0, count) are stored.

        Called before training, so that a run that needs more identities fails early.
        """
        if not self.repeat and count:
            self.manifest.locate(0)
            first_missing = next(end for start, end in self.manifest.ranges() if start == 0)
            if count > first_missing:
                log.info("%d identities are needed, %d are stored from 0 on", count, first_missing)
                self.manifest.locate(first_missing)

    def read(self, samples: Sequence[int]) -> list[Record]:
        """The records of some sample numbers, in their order; a substitute has its own number.

        Raises:
            NumberOutsideRange: a sample number isn't stored.
            CorruptShard, MissingField: one can't be read, with on_error="raise".
            CorruptShard: nor can any of its substitutes, with on_error="skip".
        """
        if self.threads <= 1 or len(samples) <= 1:
            return [self._read(sample) for sample in samples]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(self._read, samples))

    def _read(self, sample: int) -> Record:
        number = sample
        if (
            self.repeat
            and divmod(sample, self.manifest.description.shard_size)[0] not in self.manifest.shards
        ):
            number = self.manifest.number(sample)
        self.manifest.locate(number)
        for attempt in range(ATTEMPTS):
            try:
                return self.record(number)
            except (CorruptShard, MissingField) as error:
                if self.on_error == "raise":
                    raise
                self._count(error)
            substitute = stream(self.seed, sample, f"substitute/{attempt}")
            number = self.manifest.number(int(substitute.integers(self.manifest.count)))
        raise CorruptShard(
            f"neither sample number {sample} nor {ATTEMPTS - 1} substitutes can be read: run"
            " `trilift generate repair=true`"
        )

    def record(self, number: int) -> Record:
        """The record of one stored identity, without substitutes.

        Raises:
            NumberOutsideRange: it isn't stored.
            CorruptShard, MissingField: it can't be read.
        """
        name, index = self.manifest.locate(number)
        record = Record(
            self._file(name).read(index),
            f"identity {number} of {self.folder.tar(name)}",
            required=self.required,
        )
        if record.number != number:
            raise CorruptShard(
                f"{record.where} has the sample number {record.number}: write the shard again"
            )
        if record.teacher != self.manifest.description.weights:
            raise CorruptShard(
                f"{record.where} was generated by another teacher ({record.teacher[:12]}…): write"
                " the shard again"
            )
        return record

    def _open(self, name: int) -> ShardFile:
        return ShardFile(self.folder.tar(name), self.folder.facts(name)[1])

    def _count(self, error: ShardError) -> None:
        self.skipped[type(error).__name__] += 1
        total = self.skipped.total()
        if total & (total - 1) == 0:  # 1, 2, 4, 8, …
            log.warning("%s\n%d identities replaced so far (%s)", error, total, self.report())

    def report(self) -> str:
        """The number of replaced identities by kind of error, as text."""
        return (
            ", ".join(f"{kind} {count}" for kind, count in sorted(self.skipped.items()))
            or "none replaced"
        )
