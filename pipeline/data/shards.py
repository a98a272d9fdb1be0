"""One shard: a tar of records that is the same bytes whoever writes it, and that is read identity
by identity.
"""

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
    """A file that knows the sha256 and the length of what was written to it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._sha256, self.length = file, hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        """Writes, and counts."""
        self._sha256.update(content)
        self.length += len(content)
        return self._file.write(content)

    def sha256(self) -> str:
        """Of everything so far, in hexadecimal."""
        return self._sha256.hexdigest()


def write_records(file: HashingFile, records: Iterable[tuple[int, Fields]]) -> list[int]:
    """Writes (number, fields) as a tar without times, owners or any order but the alphabet's.

    Returns:
        where each record begins, in bytes, and at last where the last one ends.
    """
    offsets = [0]
    with wds.TarWriter(file, encoder=False, user="", group="", mode=0o644, mtime=0) as writer:
        for number, fields in records:
            writer.write({"__key__": f"{number:012d}", **fields})
            offsets.append(int(writer.tarstream.offset))
    return offsets


class ShardFile:
    """A shard that is open for reading, from any thread, until its last reference is gone.

    Args:
        path: the tar.
        offsets: what `write_records` returned.

    Raises:
        CorruptShard: it is missing, or shorter than its records.
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
        """The fields of one record.

        Raises:
            CorruptShard: the shard breaks off, or holds no record there.
        """
        start, end = self.offsets[index], self.offsets[index + 1]
        content = os.pread(self._descriptor, end - start, start)
        if len(content) < end - start:
            size = os.fstat(self._descriptor).st_size
            raise CorruptShard(
                f"{self.path} breaks off: it has {size} bytes, record {index} ends at {end}: write"
                " the shard again"
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
                f"record {index} of {self.path} is not whole ({error}): write the shard again"
            ) from error

    def close(self) -> None:
        """Gives the file back."""
        self._closed()
