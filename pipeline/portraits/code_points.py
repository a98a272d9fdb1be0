"""Where pictures say their code points (ITU-T H.273): PNG's chunk cICP, the box colr of HEIC and
AVIF, the tag cicp of a colour profile.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path

from .coded_colour import CodedColour

PNG = b"\x89PNG\r\n\x1a\n"
MOST = 1 << 24
"""Bytes of the longest meta box that is read."""


def code_points(source: Path | bytes) -> CodedColour | None:
    """What a PNG, HEIC or AVIF says of its colours; None: nothing, or another kind of file.

    Damaged files say nothing here: their decoder has the word.
    """
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            if head.startswith(PNG):
                return _of_png(file)
            return _of_boxes(file) if head[4:8] == b"ftyp" else None
    except (ValueError, LookupError, struct.error):
        return None


def code_points_of_profile(profile: bytes) -> CodedColour | None:
    """The tag cicp of an ICC profile (ICC.1:2022, section 9.2.17), None without."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        for entry in range(min(count, 100)):
            name, offset, _ = struct.unpack_from(">4sII", profile, 132 + 12 * entry)
            if name == b"cicp":
                return CodedColour(profile[offset + 8], profile[offset + 9])
    except (IndexError, struct.error):
        pass
    return None


def _of_png(file: io.BufferedIOBase) -> CodedColour | None:
    file.seek(len(PNG))
    while len(header := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", header)
        if kind == b"IDAT":
            return None
        if kind == b"cICP":
            primaries, transfer = file.read(2)
            return CodedColour(primaries, transfer)
        file.seek(length + 4, io.SEEK_CUR)
    return None


def _of_boxes(file: io.BufferedIOBase) -> CodedColour | None:
    """Of the primary item (ISO/IEC 23008-12): others, as gain maps, have colours of their own."""
    while len(header := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", header)
        rest = (struct.unpack(">Q", file.read(8))[0] - 16) if size == 1 else size - 8
        if kind == b"meta" and 0 < rest <= MOST:
            return _of_meta(file.read(rest)[4:])
        if rest < 0:
            return None
        file.seek(rest, io.SEEK_CUR)
    return None


def _of_meta(meta: bytes) -> CodedColour | None:
    boxes = dict(_boxes(meta))
    pitm, iprp = boxes[b"pitm"], boxes[b"iprp"]
    (primary,) = struct.unpack_from(">H" if pitm[0] == 0 else ">I", pitm, 4)
    properties = list(_boxes(dict(_boxes(iprp))[b"ipco"]))
    for kind, content in _boxes(iprp):
        for index in _associations(content, primary) if kind == b"ipma" else ():
            name, value = properties[index - 1]
            if name == b"colr" and value[:4] == b"nclx":
                return CodedColour(*struct.unpack_from(">HH", value, 4))
    return None


def _associations(ipma: bytes, wanted: int) -> list[int]:
    """Numbers, from 1, of an item's properties."""
    version, is_wide = ipma[0], bool(ipma[3] & 1)
    (count,) = struct.unpack_from(">I", ipma, 4)
    at = 8
    for _ in range(count):
        (item,) = struct.unpack_from(">I" if version else ">H", ipma, at)
        at += 4 if version else 2
        num, at = ipma[at], at + 1
        step = 2 if is_wide else 1
        if item == wanted:
            numbers = struct.unpack_from(f">{num}{'H' if is_wide else 'B'}", ipma, at)
            return [number & (0x7FFF if is_wide else 0x7F) for number in numbers]
        at += num * step
    return []


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if size < 8:
            return
        yield kind, content[at + 8 : at + size]
        at += size
