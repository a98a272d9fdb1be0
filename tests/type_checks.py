"""The annotations of every call are checked under pytest, for a fraction of what jaxtyping asks.

jaxtyping's import hook puts `jaxtyping.jaxtyped` around every function of ours. That wrapper binds
the arguments of each call, checks them, and checks them again with the result: a fifth of the
processor time of our tests. `install` puts another one there: beartype checks arguments and result
once, in a scope for sizes of axes where the signature names axes.
"""

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype

WRAP = jaxtyping.jaxtyped
SCOPE = jaxtyping.jaxtyped("context")
CHECK = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))


def install() -> None:
    """Has to come before the first import of what is checked."""
    jaxtyping.jaxtyped = _jaxtyped


def checked(what: Any) -> Any:
    """A function or class whose annotations are checked: of a class those of a dataclass's fields;
    of a generator, which is seldom called, by jaxtyping itself.
    """
    if inspect.isclass(what):
        made = vars(what).get("__init__") if dataclasses.is_dataclass(what) else None
        if made is not None and not hasattr(made, "__wrapped__"):  # which a handwritten one has
            what.__init__ = _checked_function(made)
        return what
    is_plain = inspect.isfunction(what) and not inspect.isgeneratorfunction(what)
    return _checked_function(what) if is_plain else WRAP(what, typechecker=CHECK)


def _jaxtyped(*what: Any, **settings: Any) -> Any:
    is_the_hook = not what and set(settings) == {"typechecker"}
    return checked if is_the_hook else WRAP(*what, **settings)


def _checked_function(function: Callable[..., Any]) -> Callable[..., Any]:
    given = function.__annotations__
    hints = {name: _resolved(hint, function.__globals__) for name, hint in given.items()}
    function.__annotations__ = hints
    try:
        checked = CHECK(function)
    finally:
        function.__annotations__ = given
    checked.__annotations__ = given
    if not any(map(_names_axes, hints.values())):
        return checked

    @functools.wraps(function)
    def in_scope(*args: Any, **kwargs: Any) -> Any:
        with SCOPE:
            return checked(*args, **kwargs)

    return in_scope


def _resolved(hint: Any, namespace: dict[str, Any]) -> Any:
    """Names that don't exist yet, or for type checkers only, allow anything, as in jaxtyping."""

    def holder() -> None: ...

    holder.__annotations__ = {"hint": hint}
    with contextlib.suppress(Exception):
        return get_type_hints(holder, namespace, include_extras=True)["hint"]
    return Any


def _names_axes(hint: Any) -> bool:
    if inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray):
        return True
    return any(map(_names_axes, get_args(hint)))
