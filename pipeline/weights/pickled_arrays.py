"""Pickled dictionaries of numpy arrays (Flax's parameters), read without executing anything."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from teachers.eg3d.pickle_machine import UnreadablePickle, read_pickle

GLOBALS = {
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
}


@dataclass
class _Array:
    """An array before its state is known, then its content."""

    content: np.ndarray | None = None


@dataclass(frozen=True)
class _Name:
    name: str


@dataclass
class _Type:
    code: str


class _ArrayPolicy:
    """Globals are names; the only calls are numpy's reconstruction of arrays and types."""

    def find(self, name: str) -> _Name:
        if name not in GLOBALS:
            raise UnreadablePickle(f"{name} isn't part of an array: refused")
        return _Name(name)

    def call(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        if token == _Name("numpy.dtype") and arguments and isinstance(arguments[0], str):
            return _Type(arguments[0])
        if isinstance(token, _Name) and token.name.endswith("_reconstruct"):
            return _Array()
        raise UnreadablePickle("a call that builds no array: refused")

    def create(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        raise UnreadablePickle("an object that is no array: refused")

    def build(self, record: Any, state: Any) -> None:
        if isinstance(record, _Type):
            if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", "|"):
                raise UnreadablePickle("numbers of another byte order: refused")
            return
        if not isinstance(record, _Array) or not isinstance(state, tuple) or len(state) != 5:
            raise UnreadablePickle("a state that belongs to no array: damaged")
        _, shape, kind, is_fortran, content = state
        if not isinstance(kind, _Type) or kind.code != "f4" or is_fortran:
            raise UnreadablePickle("an array that isn't float32 in C order: refused")
        if 4 * int(np.prod(shape)) != len(content):
            raise UnreadablePickle(f"{len(content)} bytes for an array of shape {shape}: damaged")
        record.content = np.frombuffer(content, "<f4").reshape(shape)

    def persistent(self, identity: Any) -> Any:
        raise UnreadablePickle("a persistent object: refused")


def read_arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a pickle of nested dictionaries, named by their path ("AlexNet_0/Conv_0/bias").

    Raises:
        ValueError: it holds anything else.
    """
    value, _ = read_pickle(memoryview(data), _ArrayPolicy())
    found: dict[str, np.ndarray] = {}
    _collect(value, "", found)
    return found


def _collect(value: Any, path: str, found: dict[str, np.ndarray]) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _collect(inner, f"{path}/{key}" if path else str(key), found)
    elif isinstance(value, _Array) and value.content is not None:
        found[path] = value.content
    else:
        raise UnreadablePickle(f"{path} is a {type(value).__name__}, expected an array")
