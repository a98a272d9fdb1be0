"""State dicts of torch.save's first format (before 1.6), read without executing anything.

Magic number · version 1001 · {protocol_version, little_endian, type_sizes} · the dictionary, whose
storages are persistent ids ("storage", type, key, location, count, view) · [key] · for each key an
int64 count and little-endian elements.
"""

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from teachers.eg3d.legacy_storage import DTYPES, MAGIC, VERSION, LegacyStorage, view_tensor
from teachers.eg3d.pickle_machine import UnreadablePickle, read_pickle

REBUILD, ORDERED = "torch._utils._rebuild_tensor_v2", "collections.OrderedDict"


@dataclass(frozen=True)
class _Name:
    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: np.dtype
    count: int


@dataclass(frozen=True)
class _Tensor:
    """A tensor whose storage follows behind the dictionary."""

    storage: _Storage
    offset: Any
    shape: Any
    stride: Any


class _StatePolicy:
    """Types of storages, tensors, and dictionaries."""

    def find(self, name: str) -> Any:
        if name not in DTYPES and name not in (REBUILD, ORDERED):
            raise UnreadablePickle(f"{name} isn't part of a state dict: refused")
        return DTYPES.get(name) or _Name(name)

    def call(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        if token == _Name(ORDERED) and not arguments:
            return {}
        is_tensor = token == _Name(REBUILD) and len(arguments) >= 4
        if is_tensor and isinstance(arguments[0], _Storage):
            return _Tensor(*arguments[:4])
        raise UnreadablePickle("a call that builds no tensor: refused")

    def create(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        raise UnreadablePickle("an object that is no tensor: refused")

    def build(self, record: Any, state: Any) -> None:
        if not isinstance(record, dict):
            raise UnreadablePickle("a state that belongs to no dictionary: refused")

    def persistent(self, identity: Any) -> _Storage:
        match identity:
            case ("storage", np.dtype() as dtype, str(key), _, int(count), None):
                return _Storage(key, dtype, count)
        raise UnreadablePickle("a persistent object that is no storage: refused")


def read_state_dict(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a state dict by their names.

    Raises:
        ValueError: it holds anything else, or is damaged.
    """
    view, policy = memoryview(data), _StatePolicy()
    magic, at = read_pickle(view, policy)
    version, at = read_pickle(view, policy, at)
    if (magic, version) != (MAGIC, VERSION):
        raise UnreadablePickle("no state dict of torch.save's first format")
    _, at = read_pickle(view, policy, at)
    state, at = read_pickle(view, policy, at)
    keys, at = read_pickle(view, policy, at)
    if not isinstance(state, dict) or not all(isinstance(x, _Tensor) for x in state.values()):
        raise UnreadablePickle("it holds something else than tensors by names")
    storages = {tensor.storage.key: tensor.storage for tensor in state.values()}
    contents: dict[str, np.ndarray] = {}
    for key in keys:
        if key not in storages or at + 8 > len(data):
            raise UnreadablePickle("a storage is missing: damaged")
        (count,) = struct.unpack_from("<q", data, at)
        dtype = storages[key].dtype
        if count != storages[key].count or at + 8 + count * dtype.itemsize > len(data):
            raise UnreadablePickle(f"a storage of {count} elements: damaged")
        contents[key] = np.frombuffer(data, dtype, count, at + 8)
        at += 8 + count * dtype.itemsize
    if set(storages) != set(contents):
        raise UnreadablePickle("a storage is missing: damaged")
    return {
        name: view_tensor(
            LegacyStorage(contents[each.storage.key]), each.offset, each.shape, each.stride
        )
        for name, each in state.items()
    }
