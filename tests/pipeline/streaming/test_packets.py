"""Packets and headers: what they hold, and that nothing else passes."""

import json
import random
import tracemalloc

import numpy as np
import pytest

from pipeline.streaming.codecs import CodecSettings, PlaneEncoder
from pipeline.streaming.header import StreamHeader, scene_of
from pipeline.streaming.packets import HEAD, STAGES, Kind, MalformedPacket, Packet
from pipeline.streaming.tiling import Grid

PICTURE = Packet(Kind.PICTURE, b"abc" * 40, 7, True, 2, (1, 2, 3, 4, 5))


@pytest.fixture(scope="module")
def header(lifter, bundled) -> StreamHeader:
    return StreamHeader("h264", Grid(48, 64), bundled, lifter.passport, 30.0, scene_of(lifter))


def test_a_packet_is_read_as_it_was_written():
    assert Packet.of(PICTURE.to_bytes()) == PICTURE
    assert PICTURE.stamped("sent", 9).stamps == (1, 2, 3, 4, 9)
    assert len(STAGES) == 5


def test_a_header_is_read_as_it_was_written(header):
    assert StreamHeader.of(Packet.of(header.packet().to_bytes())) == header


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("tiles", 47),
        ("side", 4096),
        ("codec", "vp9"),
        ("format", "other"),
        ("frames_per_second", 0),
        ("passport_hash", "0"),
        ("passport", []),
        ("normalisation", {"format": 1, "gain": [1e999], "centre": [0], "version": 1}),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(header, key, value):
    record = json.loads(header.packet().payload)
    record[key] = value
    with pytest.raises(ValueError, match="isn't understood"):
        StreamHeader.of(Packet(Kind.HEADER, json.dumps(record).encode()))


def test_a_payload_that_is_too_large_is_not_sent():
    with pytest.raises(ValueError, match="at most"):
        Packet(Kind.PICTURE, bytes((4 << 20) + 1)).to_bytes()


@pytest.mark.parametrize("cases", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_malformed_packets_are_refused_and_take_no_memory(header, cases):
    """Bits flipped, bytes cut, inserted and replaced, numbers made extreme; with a right checksum
    in half of the cases, so that damage reaches the decoder and the header's reader.
    """
    chance = random.Random(0)
    grid = Grid(48, 8)
    encoder = PlaneEncoder(grid, CodecSettings())
    picture = grid.picture(np.full((48, 8, 8), 700, np.uint16))
    good = [Packet(Kind.PICTURE, encoder.encode(picture).data, n) for n in range(3)]
    good.append(header.packet())
    small = StreamHeader("h264", grid, header.normalisation, header.passport, 30.0)
    decoder = small.decoder()
    refused = 0
    tracemalloc.start()
    for case in range(cases):
        data = damaged(chance, chance.choice(good), keep_checksum=case % 2 == 0)
        try:
            packet = Packet.of(data)
            if packet.kind == Kind.HEADER:
                StreamHeader.of(packet)
            else:
                decoder.decode(packet.payload)
        except ValueError:
            refused += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert refused > cases / 2
    assert peak < 32e6
    # it still decodes what is sound
    assert decoder.decode(encoder.encode(picture, key=True).data) is not None


def damaged(chance: random.Random, packet: Packet, *, keep_checksum: bool) -> bytes:
    data = bytearray(packet.payload if keep_checksum else packet.to_bytes())
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data)) if data else 0
        kind = chance.randrange(4)
        if kind == 0 and data:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del data[place : place + chance.randint(1, 64)]
        elif kind == 2:
            data[place:place] = chance.randbytes(chance.randint(1, 64))
        else:
            data[place : place + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x00\x00\x00\x80"])
    if keep_checksum:
        return Packet(packet.kind, bytes(data), packet.number, True).to_bytes()
    return bytes(data)


def test_lengths_that_lie_are_refused_before_anything_is_copied():
    data = bytearray(PICTURE.to_bytes())
    data[12:16] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(MalformedPacket, match="says"):
        Packet.of(bytes(data))
    with pytest.raises(MalformedPacket, match="at least"):
        Packet.of(b"TLST")
    assert HEAD.size == 64
