"""One shard: a tar of records with deterministic bytes and random access."""

import hashlib
import io
import os
import tarfile
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import webdataset as wds

from .record import Fields
from .shard_errors import CorruptShard


class HashingFile:
    """A file that tracks the sha256 and the length of its contents while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._sha256, self.length = file, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        """Writes bytes; returns their number."""
        self._sha256.update(content)
        self.length += len(content)
        return self._file.write(content)

    def sha256(self) -> str:
        """The hexadecimal sha256 of everything written so far."""
        return self._sha256.hexdigest()


def write_records(file: HashingFile, records: Iterable[tuple[int, Fields]]) -> list[int]:
    """Writes (sample number, fields) pairs as a tar without times and owners, sorted by name.

    Returns:
        the offset of each record in bytes, then the end of the last record.
    """
    offsets = [0]
    with wds.TarWriter(file, encoder=False, user="", group="", mode=0o644, mtime=0) as writer:
        for number, fields in records:
            writer.write({"__key__": f"{number:012d}", **fields})
            offsets.append(int(writer.tarstream.offset))
    return offsets


class ShardFile:
    """A shard that is open for reading, from any thread; closed when it is garbage collected.

    Args:
        path: the tar.
        offsets: as returned by `write_records`.

    Raises:
        CorruptShard: it can't be opened.
    """

    def __init__(self, path: Path, offsets: list[int]) -> None:
        self.path, self.offsets = path, offsets
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
            self._closed = weakref.finalize(self, os.close, self._descriptor)
        except OSError as error:
            raise CorruptShard(
                f"{path} can't be opened ({error.strerror}): run `trilift generate` again, it"
                " writes what is missing"
            ) from error

    def read(self, index: int) -> Fields:
        """The fields of the record at an index.

        Raises:
            CorruptShard: the shard is truncated, or the record is damaged.
        """
        start, end = self.offsets[index], self.offsets[index + 1]
        content = os.pread(self._descriptor, end - start, start)
        if len(content) < end - start:
            size = os.fstat(self._descriptor).st_size
            raise CorruptShard(
                f"{self.path} is truncated: it has {size} bytes, record {index} ends at {end}:"
                " write the shard again"
            )
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
                fields = {
                    member.name.partition(".")[2]: archive.extractfile(member).read()  # type: ignore[union-attr]
                    for member in archive
                }
                if archive.offset != len(content):
                    raise ValueError(f"its tar ends after {archive.offset} of {len(content)} bytes")
                return fields
        except (tarfile.TarError, AttributeError, ValueError) as error:
            raise CorruptShard(
                f"record {index} of {self.path} is damaged ({error}): write the shard again"
            ) from error

    def close(self) -> None:
        """Closes the file."""
        self._closed()
