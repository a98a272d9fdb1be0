"""What goes over the wire: packets of a fixed head and a payload, little endian.

| bytes | what |
|---|---|
| 4 | `TLST` |
| 1 | version of this format |
| 1 | kind: header (JSON) or picture (of the codec) |
| 1 | flags: 1 = this picture needs no other |
| 1 | which normalisation it uses (`Normalisation.version`) |
| 4 | number of the picture, counted by the sender |
| 4 | bytes of the payload |
| 4 | CRC-32 of the payload |
| 4 | 0 |
| 5 × 8 | when it was captured, tracked, lifted, encoded, sent: µs of the sender's monotonic clock |
"""

import struct
import zlib
from dataclasses import dataclass, replace
from enum import IntEnum

MAGIC = b"TLST"
VERSION = 1
HEAD = struct.Struct("<4sBBBBIIII5q")
LARGEST_PAYLOAD = {1: 1 << 20, 2: 4 << 20}
"""Bytes, by kind. 256² x 96 at 10 Mbit/s takes 50 kB a picture, its first one 2 MB at most."""

STAGES = ("captured", "tracked", "lifted", "encoded", "sent")
"""Of the sender, in order; the receiver adds received, decoded, rendered, displayed."""


class Kind(IntEnum):
    """Of a packet."""

    HEADER = 1
    PICTURE = 2


class MalformedPacket(ValueError):
    """Bytes that are no packet of this version."""


@dataclass(frozen=True)
class Packet:
    """One message of a stream.

    Attributes:
        kind: what the payload is.
        payload: at most `LARGEST_PAYLOAD` bytes.
        number: of the picture.
        is_key: whether a decoder may start here.
        normalisation: version of the levels' map, modulo 256.
        stamps: when each of `STAGES` was done, µs; 0: it wasn't.
    """

    kind: Kind
    payload: bytes
    number: int = 0
    is_key: bool = False
    normalisation: int = 1
    stamps: tuple[int, ...] = (0,) * len(STAGES)

    def stamped(self, stage: str, microseconds: int) -> "Packet":
        """With the time of a stage."""
        at = STAGES.index(stage)
        return replace(self, stamps=(*self.stamps[:at], microseconds, *self.stamps[at + 1 :]))

    def to_bytes(self) -> bytes:
        """For the wire; ValueError if the payload is too large."""
        if len(self.payload) > LARGEST_PAYLOAD[self.kind]:
            raise ValueError(
                f"a {self.kind.name.lower()} of {len(self.payload)} bytes: at most"
                f" {LARGEST_PAYLOAD[self.kind]} are sent"
            )
        head = HEAD.pack(
            MAGIC,
            VERSION,
            self.kind,
            int(self.is_key),
            self.normalisation % 256,
            self.number % (1 << 32),
            len(self.payload),
            zlib.crc32(self.payload),
            0,
            *self.stamps,
        )
        return head + self.payload

    @classmethod
    def of(cls, data: bytes) -> "Packet":
        """Reads one packet, which is all of `data`.

        Raises:
            MalformedPacket: it is none.
        """
        if len(data) < HEAD.size:
            raise MalformedPacket(f"{len(data)} bytes came: a packet has at least {HEAD.size}")
        magic, version, kind, flags, normalisation, number, size, crc, zero, *stamps = (
            HEAD.unpack_from(data)
        )
        if magic != MAGIC:
            raise MalformedPacket("bytes came that are no packet of a stream")
        if version != VERSION:
            raise MalformedPacket(f"a packet of version {version} came, this reads {VERSION}")
        if kind not in LARGEST_PAYLOAD or flags > 1 or zero:
            raise MalformedPacket("a packet with an unknown kind or flag came")
        if size != len(data) - HEAD.size or size > LARGEST_PAYLOAD[kind]:
            raise MalformedPacket(f"a packet says {size} bytes and has {len(data) - HEAD.size}")
        payload = data[HEAD.size :]
        if zlib.crc32(payload) != crc:
            raise MalformedPacket("a packet was damaged on its way")
        return cls(Kind(kind), payload, number, bool(flags), normalisation, tuple(stamps))


LARGEST_PACKET = HEAD.size + max(LARGEST_PAYLOAD.values())
