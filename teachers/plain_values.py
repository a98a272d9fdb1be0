"""Plain values, as JSON and configurations hold them: which annotation they fit, and files of them.

Whatever reads a JSON file that a user or another run may have written says what it expects as an
annotation: `read_json_file(path, Manifest)`, where `Manifest` is a `TypedDict`.
"""

import dataclasses
import functools
import inspect
import json
import math
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import (
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
    overload,
)

SEQUENCES = (list, tuple, set, frozenset, Sequence, Iterable, Collection)

T = TypeVar("T")


@overload
def read_json_file(path: Path) -> Any: ...
@overload
def read_json_file(path: Path, shape: type[T], advice: str = ...) -> T: ...
def read_json_file(path: Path, shape: Any = Any, advice: str = "") -> Any:
    """The content of a JSON file that a user may have written, in UTF-8, 16 or 32, with or without
    a byte order mark.

    Args:
        path: the file.
        shape: an annotation that the content fits (see `misfit`).
        advice: what to do about another content.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it isn't JSON, or of another shape; the message has the path, what came, and
            what was expected.
    """
    return parse_json(path.read_bytes(), str(path), shape, advice)


@overload
def parse_json(content: bytes | str, source: str) -> Any: ...
@overload
def parse_json(content: bytes | str, source: str, shape: type[T], advice: str = ...) -> T: ...
def parse_json(content: bytes | str, source: str, shape: Any = Any, advice: str = "") -> Any:
    """JSON of a user; ValueError with the name of its source, see `read_json_file`."""
    then = f": {advice}" if advice else ""
    try:
        value = json.loads(content)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{source} isn't JSON: byte {error.start} is no {error.encoding.upper()}; save it as"
            f" UTF-8{then}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{source} isn't JSON ({error}): {advice or 'is it complete?'}") from error
    except RecursionError as error:
        raise ValueError(f"{source} isn't JSON of ours: it is nested too deeply{then}") from error
    return require_shape(value, shape, source, advice)


@overload
def require_shape(value: Any, shape: type[T], source: str, advice: str = ...) -> T: ...
@overload
def require_shape(value: Any, shape: Any, source: str, advice: str = ...) -> Any: ...
def require_shape(value: Any, shape: Any, source: str, advice: str = "") -> Any:
    """The value, or the dataclass with its fields if the annotation is one.

    Raises:
        ValueError: it doesn't fit the annotation; the message begins with the source.
    """
    wrong = misfit(value, shape)
    if wrong:
        between = " " if wrong.startswith("holds") else ": "
        raise ValueError(f"{source}{between}{wrong}" + (f": {advice}" if advice else ""))
    if not (isinstance(shape, type) and dataclasses.is_dataclass(shape)):
        return value
    if unknown := sorted(set(value) - {field.name for field in dataclasses.fields(shape)}):
        raise ValueError(
            f"{source} has a key {unknown[0]!r}, which this version doesn't know"
            + (f": {advice}" if advice else "")
        )
    kinds, _ = _keys(shape)
    fields = {
        name: tuple(one) if get_origin(kinds[name]) is tuple else one for name, one in value.items()
    }
    return shape(**fields)


def require_arguments(target: Callable[..., Any], given: dict[str, Any], source: str) -> None:
    """Checks plain arguments by the annotations of what gets them.

    Annotations that say nothing about plain values (tensors, protocols, functions) are passed over.

    Raises:
        ValueError: an argument isn't what its annotation says; the message begins with the source.
    """
    for name, annotation in _annotations(target).items():
        if name in given and (wrong := misfit(given[name], annotation, name)):
            raise ValueError(f"{source}: {wrong}")


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


def is_number(value: Any) -> bool:
    """Whether a value is a finite number that double precision holds; truth values are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) if isinstance(value, float) else abs(value) < 1 << 63


def is_whole(value: Any) -> bool:
    """Whether a value is a whole number of 64 bits."""
    return isinstance(value, int) and is_number(value)


def is_number_text(word: str) -> bool:
    """Whether a word is one that Python reads as a number, such as 12, 1e3, nan, 2026_1."""
    try:
        float(word)
    except ValueError:
        return False
    return True


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value can be of that annotation; true where it can't be told."""
    return not misfit(value, annotation)


def misfit(value: Any, annotation: Any, where: str = "") -> str:
    """What about a plain value doesn't fit an annotation: the first place, what is there, and what
    was expected; "" if it fits, or if that can't be told.

    A `TypedDict` requires its required keys and ignores further ones; a dataclass stands for the
    keys of its fields.

    >>> misfit({"size": [1, "a"]}, dict[str, list[float]])
    "size[1] is 'a': expected a number"
    """
    place = f"{where} is" if where else "holds"
    if isinstance(annotation, type) and isinstance(value, dict):
        kinds, required = _keys(annotation)
        if kinds:
            for name in required:
                if name not in value:
                    return f"{place} {shown(value)}: expected a key {name!r}"
            found = (
                misfit(value[name], kind, _below(where, name))
                for name, kind in kinds.items()
                if name in value
            )
            return next(filter(None, found), "")
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType) and value is not None:
        others = [one for one in inner if one is not type(None)]
        if len(others) == 1:
            return misfit(value, others[0], where)
    if isinstance(value, list | tuple) and (origin or annotation) in SEQUENCES:
        kind_of = _element_kinds(origin, inner, len(value))
        if kind_of is not None:
            found = (misfit(one, kind, f"{where}[{at}]") for (at, one), kind in kind_of(value))
            return next(filter(None, found), "")
    if isinstance(value, dict) and (origin or annotation) in (dict, Mapping):
        if not inner:
            return ""
        found = (misfit(one, inner[1], _below(where, name)) for name, one in value.items())
        return next(filter(None, found), "")
    return (
        "" if _is_of(value, annotation) else f"{place} {shown(value)}: expected {words(annotation)}"
    )


def _is_of(value: Any, annotation: Any) -> bool:
    """Whether a value without elements fits."""
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
        return is_whole(value)
    if annotation is float:
        return is_number(value)
    if annotation is str:
        return isinstance(value, str)
    if annotation is Path:
        return isinstance(value, str | Path)
    if (origin or annotation) in (*SEQUENCES, dict, Mapping):
        return False
    if getattr(annotation, "_is_protocol", False) and isinstance(value, bool | int | float | str):
        return False
    return not (isinstance(annotation, type) and _keys(annotation)[0])


def _element_kinds(origin: Any, inner: tuple[Any, ...], count: int) -> Any:
    """Pairs each element of a sequence with its kind; None if there is another number of them."""
    if not inner:
        return lambda value: ((one, Any) for one in enumerate(value))
    if origin is tuple and Ellipsis not in inner:
        return (
            (lambda value: zip(enumerate(value), inner, strict=True))
            if len(inner) == count
            else None
        )
    return lambda value: ((one, inner[0]) for one in enumerate(value))


@functools.cache
def _keys(annotation: type) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The keys of a `TypedDict` or a dataclass with their kinds, and those that must be there."""
    if is_typeddict(annotation):
        kinds = get_type_hints(annotation)
        return kinds, tuple(
            name for name in kinds if name in getattr(annotation, "__required_keys__", ())
        )
    if dataclasses.is_dataclass(annotation):
        kinds = get_type_hints(annotation)
        fields = dataclasses.fields(annotation)
        return {field.name: kinds[field.name] for field in fields}, tuple(
            field.name
            for field in fields
            if field.default is field.default_factory is dataclasses.MISSING
        )
    return {}, ()


def _below(where: str, name: str) -> str:
    return f"{where}.{name}" if where else str(name)


_WORDS: dict[Any, str] = {
    **{bool: "true or false", int: "a whole number", float: "a number", str: "a text"},
    **{type(None): "null", None: "null", dict: "keys with values", Mapping: "keys with values"},
    Path: "a path",
}


def words(annotation: Any) -> str:
    """An annotation for a message."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in _WORDS:
        return _WORDS[annotation]
    if origin in (Union, types.UnionType):
        return " or ".join(map(words, inner))
    if origin is Literal:
        return f"one of {', '.join(map(repr, inner))}"
    if (origin or annotation) in SEQUENCES:
        if not inner:
            return "a list"
        if origin is tuple and Ellipsis not in inner:
            if len(set(inner)) == 1:
                return f"a list of {len(inner)}, each {words(inner[0])}"
            return f"a list of {len(inner)}: {', '.join(map(words, inner))}"
        return f"a list, each {words(inner[0])}"
    if origin in (dict, Mapping):
        if inner[1] is Any:
            return words(origin)
        return f"keys with values, each {words(inner[1])}"
    if isinstance(annotation, type):
        names = ", ".join(map(repr, _keys(annotation)[1]))
        return f"keys with values, among them {names}" if names else annotation.__name__
    return "anything" if annotation is Any else str(annotation)


def shown(value: Any, most: int = 60) -> str:
    """A value for a message, cut off where it is long."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested very deeply; a whole number of 4300 digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= most else f"{text[: most - 1]}…"
