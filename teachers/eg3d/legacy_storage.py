"""Reads the tensors of plain pickles: storages in torch's legacy (pre-zip) format, with numpy.

Five small pickles, then the element count, then the raw data:
magic number · version 1001 · {protocol_version, little_endian, type_sizes} · persistent id
("storage", type, key, location, count, view) · [key] · int64 count · little-endian elements.

The official loader hands these bytes to `torch.load`, which executes whatever pickle it finds. Here
they are only data: the location ("cuda:0" occurs in published files) is ignored, and every size is
checked.
"""

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from .pickle_machine import UnreadablePickle, read_pickle, short

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001

DTYPES: dict[str, np.dtype[Any]] = {
    "torch.FloatStorage": np.dtype("<f4"),
    "torch.DoubleStorage": np.dtype("<f8"),
    "torch.HalfStorage": np.dtype("<f2"),
    "torch.LongStorage": np.dtype("<i8"),
    "torch.IntStorage": np.dtype("<i4"),
    "torch.ByteStorage": np.dtype("u1"),
    "torch.BoolStorage": np.dtype("?"),
    "torch.BFloat16Storage": np.dtype("<u2"),
    "torch.ShortStorage": np.dtype("<i2"),
    "torch.CharStorage": np.dtype("i1"),
}


@dataclass(frozen=True)
class LegacyStorage:
    """A one-dimensional array of `values`: a read-only view into the file. NumPy has no bfloat16:
    they are the upper halves of float32.
    """

    values: np.ndarray
    is_bfloat16: bool = False


class _StoragePolicy:
    """Allows the names of storage types and one persistent id; nothing can be called or built."""

    def find(self, name: str) -> Any:
        if name not in DTYPES:
            raise UnreadablePickle(
                f"{short(name)} is not allowed inside a tensor's storage, only {', '.join(DTYPES)}:"
                " unsupported"
            )
        return _Element(np.dtype(DTYPES[name]), name == "torch.BFloat16Storage")

    def persistent(self, identity: Any) -> Any:
        return _PersistentId(identity)

    def call(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        raise UnreadablePickle("a call inside a tensor's storage: a hostile file")

    def create(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        raise UnreadablePickle("an object inside a tensor's storage: a hostile file")

    def build(self, record: Any, state: Any) -> None:
        raise UnreadablePickle("an object's state inside a tensor's storage: a hostile file")


@dataclass(frozen=True)
class _Element:
    """The type of a storage's elements."""

    dtype: np.dtype
    is_bfloat16: bool


@dataclass(frozen=True)
class _PersistentId:
    content: Any


def read_storage(data: memoryview) -> LegacyStorage:
    """Parses one legacy storage blob.

    Raises:
        UnreadablePickle: anything that doesn't follow the layout to the byte.
    """
    policy, position = _StoragePolicy(), 0
    parts: list[Any] = []
    for _ in range(5):
        part, position = read_pickle(data, policy, position)
        parts.append(part)
        if len(parts) == 1 and not _is_integer(part, MAGIC):
            raise UnreadablePickle(
                f"a tensor's storage begins with {short(part)} instead of torch's magic number"
            )
    _, version, system, identity, keys = parts
    if not _is_integer(version, VERSION):
        raise UnreadablePickle(
            f"a tensor's storage has format version {short(version)}, expected {VERSION}"
        )
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise UnreadablePickle(
            "a tensor's storage does not say that it is little-endian: write the snapshot on an"
            " ordinary machine"
        )
    element, key, count = _storage_identity(identity)
    if type(keys) is not list or len(keys) != 1 or type(keys[0]) is not str or keys[0] != key:
        raise UnreadablePickle("a tensor's storage lists other keys than its own: damaged")
    return LegacyStorage(
        _elements(data, position, element.dtype, count), is_bfloat16=element.is_bfloat16
    )


def _storage_identity(identity: Any) -> tuple[_Element, str, int]:
    content = identity.content if isinstance(identity, _PersistentId) else None
    if (
        not isinstance(content, tuple)
        or len(content) not in (5, 6)
        or not isinstance(content[0], str)
        or content[0] != "storage"
    ):
        raise UnreadablePickle("a tensor's storage has no storage record: damaged")
    element, key, _location, count = content[1:5]
    if (
        not isinstance(element, _Element)
        or not isinstance(key, str)
        or type(count) is not int
        or count < 0
    ):
        raise UnreadablePickle("a tensor's storage record has wrong fields: damaged")
    if len(content) == 6 and content[5] is not None:
        raise UnreadablePickle(
            "a tensor's storage is a view of another one: torch has not written such files since"
            " version 0.4"
        )
    return element, key, count


def _elements(data: memoryview, position: int, dtype: np.dtype, count: int) -> np.ndarray:
    expected = position + 8 + count * dtype.itemsize
    if len(data) != expected:
        raise UnreadablePickle(
            f"a tensor's storage has {len(data)} bytes where {count} elements of {dtype} need"
            f" {expected}: damaged"
        )
    if struct.unpack_from("<q", data, position)[0] != count:
        raise UnreadablePickle("a tensor's storage counts its elements twice, differently: damaged")
    return np.frombuffer(data, dtype, count, position + 8)


def view_tensor(storage: LegacyStorage, offset: Any, size: Any, stride: Any) -> np.ndarray:
    """The tensor that lies in a storage, as a read-only view.

    Raises:
        UnreadablePickle: unless offset, size and stride (in elements) stay inside the storage and
            name no element twice over (an expanded tensor would let a small file ask for any amount
            of memory).
    """
    if not (
        _is_index(offset)
        and _are_indices(size)
        and _are_indices(stride)
        and len(size) == len(stride) <= 16
    ):
        raise UnreadablePickle(
            "a tensor's offset, size and stride are not of the same few dimensions in non-negative"
            " integers: damaged"
        )
    count = math.prod(size)
    last = (
        offset + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))
        if count
        else offset - 1
    )
    if count > len(storage.values) or last >= len(storage.values):
        raise UnreadablePickle(
            f"a tensor of {len(size)} dimensions and {short(count)} elements reaches to element"
            f" {short(last)} of a storage of {len(storage.values)}: damaged"
        )
    itemsize = storage.values.itemsize
    view = np.lib.stride_tricks.as_strided(
        storage.values[offset:], size, [step * itemsize for step in stride], writeable=False
    )
    if not storage.is_bfloat16:
        return view
    wide = np.left_shift(view, 16, dtype=np.uint32, casting="unsafe")
    return np.asarray(wide, np.uint32).reshape(size).view(np.float32)


def _is_integer(value: Any, expected: int) -> bool:
    return type(value) is int and value == expected


def _is_index(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 48


def _are_indices(values: Any) -> bool:
    return type(values) is tuple and all(_is_index(value) for value in values)
