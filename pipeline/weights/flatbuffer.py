"""A reader of FlatBuffers tables: offsets and numbers, without a schema compiler.

The format (google.github.io/flatbuffers, "internals"): a table begins with the signed distance to
its vtable, which holds the offset of each field within the table; 0 is an absent field. Strings,
vectors and tables are reached by unsigned offsets that count from where they stand.
"""

import struct

import numpy as np


class UnreadableFlatbuffer(ValueError):
    """What is wrong with the file, in a sentence without its name."""


class Table:
    """One table of a buffer.

    Args:
        data: the whole file.
        position: where the table begins; None: the root.

    Raises:
        UnreadableFlatbuffer: an offset points outside the file.
    """

    def __init__(self, data: bytes, position: int | None = None) -> None:
        self.data = data
        self.position = self._offset(0) if position is None else position
        self.vtable = self.position - self._number(self.position, "<i")
        self.fields = (self._number(self.vtable, "<H") - 4) // 2

    def number(self, field: int, form: str = "<i", default: int = 0) -> int:
        """A number in the table; `form` is struct's ("<b" a signed byte, "<i" 32 bits)."""
        at = self._at(field)
        return self._number(at, form) if at else default

    def table(self, field: int) -> "Table | None":
        """A table; None if the field is absent."""
        at = self._at(field)
        return Table(self.data, self._offset(at)) if at else None

    def tables(self, field: int) -> "list[Table]":
        """A vector of tables."""
        start, count = self._vector(field, 4)
        return [Table(self.data, self._offset(start + 4 * i)) for i in range(count)]

    def integers(self, field: int) -> list[int]:
        """A vector of 32-bit integers."""
        start, count = self._vector(field, 4)
        return [int(number) for number in np.frombuffer(self.data, "<i4", count, start)]

    def bytes(self, field: int) -> bytes:
        """A vector of bytes or a string; empty if the field is absent."""
        start, count = self._vector(field, 1)
        return self.data[start : start + count]

    def _at(self, field: int) -> int:
        if field >= self.fields:
            return 0
        offset = self._number(self.vtable + 4 + 2 * field, "<H")
        return self.position + offset if offset else 0

    def _vector(self, field: int, size: int) -> tuple[int, int]:
        at = self._at(field)
        if not at:
            return 0, 0
        start = self._offset(at)
        count = self._number(start, "<I")
        if start + 4 + count * size > len(self.data):
            raise UnreadableFlatbuffer(f"a vector of {count} elements ends behind the file")
        return start + 4, count

    def _offset(self, at: int) -> int:
        return at + self._number(at, "<I")

    def _number(self, at: int, form: str) -> int:
        if at < 0 or at + struct.calcsize(form) > len(self.data):
            raise UnreadableFlatbuffer(f"byte {at} of {len(self.data)} is asked for")
        return int(struct.unpack_from(form, self.data, at)[0])
