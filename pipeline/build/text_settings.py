"""Names and paths are text as typed, also where YAML takes them for numbers.

Hydra reads `name=2026_1_12` as 2026112, `output=1e3` as 1000.0 and `input=2024` as a number: two
names become one run, and folders get other names.
"""

from collections.abc import Sequence

from teachers.plain_values import is_number_text

TEXT = {
    *("name", "input", "output", "checkpoint", "predictions", "export", "compare", "verify"),
    *("path", "folder", "file", "urls", "cache", "sha256", "title", "project"),
    *("weights_folder", "teacher_folder", "start_from", "save_dir"),
    *("address", "planes", "record", "report"),
}
"""Last parts of the keys whose values are names or paths."""

GROUPS = ("paths.", "logger.")
"""Starts of keys of which all values are."""


def with_text(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command, numbers quoted where a name or a path is wanted.

    >>> with_text(["name=2026_1_12,b", "seed=1", "compare=[2024,a]", "checkpoint=null"])
    ["name='2026_1_12',b", 'seed=1', "compare=['2024',a]", 'checkpoint=null']
    """
    return [_with_text(argument) for argument in arguments]


def _with_text(argument: str) -> str:
    key, equals, value = argument.partition("=")
    plain = key.lstrip("+")
    if not equals or key.startswith("-"):
        return argument
    if plain.rpartition(".")[2] not in TEXT and not plain.startswith(GROUPS):
        return argument
    inner = value.strip()
    is_list = inner.startswith("[") and inner.endswith("]")
    if is_list:
        inner = inner[1:-1]
    if any(mark in inner for mark in "\"'[](){}$\\"):
        return argument
    words = ",".join(
        f"'{word.strip()}'" if is_number_text(word) else word for word in inner.split(",")
    )
    return f"{key}=[{words}]" if is_list else f"{key}={words}"
