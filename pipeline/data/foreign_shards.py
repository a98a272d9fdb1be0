"""Identities from webdataset shards of other programs.

They have no manifest, so they are streamed through a shuffle buffer.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal

import webdataset as wds

from pipeline.sampling.identities import FixedIdentities
from pipeline.sampling.source import Sampler

from .foreign_checks import check_record, has_no_dark_pixel, require_channels
from .record import VIEW_FIELDS, Fields, Record
from .record_source import RecordSource
from .shard_errors import CorruptShard, MissingField, ShardError

log = logging.getLogger(__name__)

REQUIRED = tuple(
    f"{view}.{field}" for view in ("reference", "novel") for field in ("camera.npy", *VIEW_FIELDS)
)
"""Required fields. Also required: `image.png` or `image.npy` of each view, and `planes.npy` or a
`z.npy` of the configured teacher.
"""


class ForeignShards(RecordSource):
    """A `BatchSource` whose sample number n is the n-th identity of an endless shuffled stream.

    `seed`, `buffer` and the list of shards determine the order, so sample numbers mean the same
    after a restart and on every process. Reading ascends: to reach number n, all records before it
    are read but not decoded; a number before the last one restarts the stream.

    Args:
        urls: a path, a pattern such as "faces/{000..127}.tar", or a list of them; anything that
            webdataset opens.
        sampler: synthesises planes that aren't stored; makes backgrounds.
        distributions: ignored: foreign shards don't state theirs.
        buffer: size of the shuffle buffer, in identities.
        seed: of the order.
        on_error: "raise", or "skip": unreadable identities are left out, counted and logged; all
            that are passed are decoded for this, also when a stream is resumed.

    Raises:
        ValueError: `on_error` has another value, `urls` is empty, or the sampler has a fixed set of
            identities.
    """

    def __init__(
        self,
        *,
        urls: str | list[str],
        sampler: Sampler,
        distributions: dict[str, Any],
        buffer: int = 1000,
        seed: int = 0,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"data.on_error is {on_error!r}: use raise or skip")
        if not urls:
            raise ValueError(
                f"data.urls is {urls!r}: give a path, a pattern such as faces/{{000..127}}.tar, or"
                " a list of them"
            )
        if isinstance(sampler, FixedIdentities):
            raise ValueError(
                "sampler.identities is a fixed set, foreign shards have their own identities:"
                " give sampler.identities=null, or another sampler="
            )
        super().__init__(sampler)
        self.urls, self.buffer, self.seed, self.on_error = urls, buffer, seed, on_error
        self.skipped: Counter[str] = Counter()
        self._stream: Iterator[Record] = iter(())
        self._position = -1
        self._warned = False
        self._features = 0

    def read(self, samples: Sequence[int]) -> list[Record]:
        """The records of some ascending sample numbers; `number` is the position in the stream.

        Raises:
            CorruptShard, MissingField: a record can't be read or doesn't fit the teacher, with
                on_error="raise".
            CorruptShard: no record of an epoch can be read, with on_error="skip".
        """
        records = [self._at(sample) for sample in samples]
        for sample, record in zip(samples, records, strict=True):
            if self.on_error == "raise":
                self._check(record)
            record.number = sample
        return records

    def _at(self, sample: int) -> Record:
        if self._position < 0 or sample < self._position:
            self._stream, self._position = self._identities(), 0
        passed, self._position = sample - self._position, -1  # a stream that raises is at its end
        record = next(islice(self._stream, passed, None))
        self._position = sample + 1
        return record

    def _identities(self) -> Iterator[Record]:
        """All readable records, epoch after epoch, each in another order."""
        epoch = 0
        while True:
            found = 0
            for sample in self._shuffled(epoch):
                record = self._record(sample)
                if record is not None:
                    found += 1
                    yield record
            if not found:
                raise CorruptShard(
                    f"{self.urls} holds no readable record"
                    f" ({dict(self.skipped) or 'no records at all'}): check data.urls"
                )
            epoch += 1

    def _shuffled(self, epoch: int) -> Iterator[dict[str, Any]]:
        shards = wds.SimpleShardList(self.urls)
        stages = [
            wds.detshuffle(
                bufsize=max(1, len(shards)),
                initial=max(1, len(shards)),
                seed=self.seed,
                epoch=epoch - 1,
            ),
            wds.tarfile_to_samples(handler=self._unreadable),
            wds.detshuffle(
                bufsize=self.buffer, initial=self.buffer, seed=self.seed, epoch=epoch - 1
            ),
        ]
        return iter(wds.DataPipeline(shards, *stages))

    def _record(self, sample: dict[str, Any]) -> Record | None:
        """The record of a webdataset sample; None if it is skipped."""
        where = f"{sample.get('__key__')} of {sample.get('__url__')}"
        fields: Fields = {name: value for name, value in sample.items() if name[0] != "_"}
        try:
            record = Record(fields, where, required=REQUIRED, is_foreign=True)
            for wanted in (
                ("planes.npy", "z.npy"),
                *((f"{view}.image.png", f"{view}.image.npy") for view in ("reference", "novel")),
            ):
                if not any(record.has(name) for name in wanted):
                    raise MissingField(
                        f"{where} has neither {' nor '.join(wanted)}; it has"
                        f" {', '.join(sorted(fields))}"
                    )
            if self.on_error == "skip":
                self._check(record)
            return record
        except ShardError as error:
            self._unreadable(error)
            return None

    def _check(self, record: Record) -> None:
        teacher = self.sampler.teacher
        check_record(record, teacher.passport, teacher.z_dim, self.rendering)
        self._features = require_channels(record, self._features)
        if not self._warned and has_no_dark_pixel(record):
            self._warned = True
            log.warning(
                "%s has images (image.npy) without any value below 0: images are in [-1, 1]; those"
                " in [0, 1] would be learned as pale ones",
                record.where,
            )

    def _unreadable(self, error: Exception) -> bool:
        """Raises or counts the error; also webdataset's handler, where True means continue."""
        if self.on_error == "raise":
            if isinstance(error, ShardError):
                raise error
            raise CorruptShard(
                f"a foreign shard can't be read ({error}): fetch it again, or data.on_error=skip"
            ) from error
        self.skipped[type(error).__name__] += 1
        log.warning("%s\nleft out; so far: %s", error, dict(self.skipped))
        return True
