"""Plain values of a configuration against the annotations of the constructor that gets them."""

import functools
import inspect
import math
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

SEQUENCES = (list, tuple, set, frozenset, Sequence, Iterable, Collection)


def require_argument_types(target: Callable[..., Any], node: dict[str, Any]) -> None:
    """Checks the plain arguments of a node with `_target_`.

    Annotations that say nothing about plain values (tensors, protocols, functions) are passed over.

    Raises:
        ValueError: an argument isn't what its annotation says; the message has its value.
    """
    for name, annotation in _annotations(target).items():
        if name in node and not fits(node[name], annotation):
            raise ValueError(
                f"{node['_target_']} takes {name} as {words(annotation)}, got {name}={node[name]!r}"
            )


@functools.cache
def _annotations(target: Callable[..., Any]) -> dict[str, Any]:
    try:
        parameters = inspect.signature(target, eval_str=True).parameters.values()
    except (NameError, TypeError, ValueError):  # names that only a type checker imports
        return {}
    return {
        parameter.name: parameter.annotation
        for parameter in parameters
        if parameter.annotation is not parameter.empty
    }


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value can be an argument of that annotation; true where it can't be told."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if isinstance(value, dict) and "_target_" in value:
        return annotation not in (int, float, str, bool)
    if origin in (Union, types.UnionType):
        return any(fits(value, one) for one in inner)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if annotation in (None, type(None)):
        return value is None
    if annotation is bool:
        return isinstance(value, bool)
    if annotation is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if annotation is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and not math.isnan(value)
    if annotation is str:
        return isinstance(value, str)
    if annotation is Path:
        return isinstance(value, str | Path)
    if (origin or annotation) in SEQUENCES:
        return isinstance(value, list | tuple) and _elements_fit(value, origin, inner)
    if (origin or annotation) in (dict, Mapping):
        return isinstance(value, dict)
    return True


def _elements_fit(value: Sequence[Any], origin: Any, inner: tuple[Any, ...]) -> bool:
    if not inner:
        return True
    if origin is tuple and Ellipsis not in inner:
        return len(value) == len(inner) and all(map(fits, value, inner))
    return all(fits(one, inner[0]) for one in value)


def words(annotation: Any) -> str:
    """An annotation as it stands in the source."""
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
