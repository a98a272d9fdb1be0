"""Nested training state ↔ JSON plus named tensors, without pickle.

Finite scalars and lists are plain JSON. Every other value is an object with one `$` key, so that
tuples, integer keys and the order of dictionaries are preserved. Tensors and arrays are replaced by
the names under which they are stored.
"""

import math
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class StateWriter:
    """Turns a nested state into JSON; collects its tensors by name, tied ones once."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def encode(self, value: Any, path: str = "") -> Any:
        """The JSON form of a value.

        Args:
            value: None, scalars, paths, tensors, arrays, and nested lists, tuples and dictionaries.
            path: of the value in the state, for errors and tensor names.

        Raises:
            TypeError: the value contains another type, or a dictionary with keys that are neither
                strings nor integers.
        """
        if value is None or type(value) in (bool, int, str):
            return value
        if type(value) is float:
            return value if math.isfinite(value) else {"$float": repr(value)}
        if isinstance(value, Tensor):
            return {"$tensor": self._name(value.detach(), path)}
        if isinstance(value, np.ndarray | np.generic):
            return self._encode_array(value, path)
        if isinstance(value, Path):
            return {"$path": str(value)}
        if isinstance(value, dict):
            return self._encode_dict(value, path)
        if isinstance(value, list | tuple):
            items = [self.encode(item, f"{path}/{index}") for index, item in enumerate(value)]
            return {"$tuple": items} if isinstance(value, tuple) else items
        raise TypeError(
            f"the training state holds a {type(value).__module__}.{type(value).__qualname__} at"
            f" {path or '/'}: only tensors, arrays, numbers, strings, None and lists, tuples and"
            " dictionaries of them can be saved without pickle"
        )

    def _encode_dict(self, value: dict[Any, Any], path: str) -> dict[str, Any]:
        tag = "$dict" if type(value) is dict else "$ordered" if type(value) is OrderedDict else None
        if tag is None:
            raise TypeError(
                f"the training state holds a {type(value).__qualname__} at {path or '/'}: make it a"
                " plain dict"
            )
        for key in value:
            if type(key) not in (str, int):
                raise TypeError(
                    f"the training state has the key {key!r} at {path or '/'}: keys must be strings"
                    " or integers"
                )
        return {tag: [[key, self.encode(item, f"{path}/{key}")] for key, item in value.items()]}

    def _encode_array(self, value: np.ndarray | np.generic, path: str) -> dict[str, Any]:
        array = np.asarray(value)
        if array.dtype.hasobject:
            raise TypeError(
                f"the training state holds an array of Python objects at {path or '/'}: only"
                " numbers can be saved without pickle"
            )
        as_bytes = torch.from_numpy(np.frombuffer(array.tobytes(), np.uint8).copy())
        form = {
            "name": self._name(as_bytes, path),
            "dtype": array.dtype.str,
            "shape": list(array.shape),
        }
        return {"$array" if isinstance(value, np.ndarray) else "$number": form}

    def _name(self, tensor: Tensor, path: str) -> str:
        identity = (
            str(tensor.device),
            tensor.data_ptr(),
            tensor.dtype,
            tuple(tensor.shape),
            tensor.stride(),
        )
        if tensor.numel() and identity in self._names:
            return self._names[identity]
        name = self._names[identity] = f"{len(self.tensors):05d}{path}"
        self.tensors[name] = tensor
        return name


def decode(value: Any, tensor: Callable[[str], Tensor]) -> Any:
    """The inverse of `StateWriter.encode`.

    Args:
        value: JSON form.
        tensor: returns a stored tensor by name.

    Raises:
        ValueError: the value has another form.
    """
    if isinstance(value, list):
        return [decode(item, tensor) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) != 1:
        raise ValueError(
            f"not a training state: an object with the keys {sorted(value)} where one $ key was"
            " expected"
        )
    [(tag, content)] = value.items()
    if tag in ("$dict", "$ordered"):
        return (dict if tag == "$dict" else OrderedDict)(
            (key, decode(item, tensor)) for key, item in content
        )
    if tag == "$tuple":
        return tuple(decode(item, tensor) for item in content)
    if tag == "$tensor":
        return tensor(content)
    if tag in ("$array", "$number"):
        array = np.frombuffer(
            tensor(content["name"]).cpu().numpy().tobytes(), np.dtype(content["dtype"])
        ).reshape(content["shape"])
        return array.copy() if tag == "$array" else array[()]
    if tag == "$float":
        return _FLOATS[content]
    if tag == "$path":
        return Path(content)
    raise ValueError(f"not a training state of this version: unknown form {tag!r}")
