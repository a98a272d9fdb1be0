"""Damage to files of users: broken bytes, one JSON value replaced; and whether a message says what
came.
"""

import random
from typing import Any

from teachers.plain_values import shown

VALUES = (
    *(None, True, False, 0, -1, 1, 10**20, 10**400, 0.5, -2.5, float("nan"), float("inf")),
    *("", "abc", "1e3", "\0", "é" * 300, "a/b", "../x", "~", "${x", [], [1, "a"], {}, {"a": None}),
)


def broken(random_: random.Random, content: bytes) -> bytes:
    """Bytes with some cut, changed, doubled, or put in."""
    changed = bytearray(content)
    for _ in range(random_.randint(1, 4)):
        if not changed:
            break
        at = random_.randrange(len(changed))
        change = random_.randrange(5)
        if change == 0:
            changed[at] ^= 1 << random_.randrange(8)
        elif change == 1:
            del changed[at:]
        elif change == 2:
            changed[at:at] = changed[: random_.randrange(40)]
        elif change == 3:
            odd = (b"NaN", b"1e999", b"null", b"[", b"\xff", b'"x"', b"-1", b"0", b"\n", b"9" * 400)
            changed[at : at + random_.randrange(6)] = random_.choice(odd)
        else:
            del changed[at : at + random_.randrange(20)]
    return bytes(changed)


def with_value(random_: random.Random, node: Any, value: Any) -> tuple[Any, tuple[Any, ...]]:
    """JSON with one value replaced, at any depth, and the keys that lead to it."""
    if isinstance(node, dict | list) and node and random_.random() < 0.85:
        copy: Any = dict(node) if isinstance(node, dict) else list(node)
        key = random_.choice(list(copy)) if isinstance(copy, dict) else random_.randrange(len(copy))
        copy[key], below = with_value(random_, copy[key], value)
        return copy, (key, *below)
    return value, ()


def names(text: str, value: Any) -> bool:
    """Whether a message shows a value, as Python or JSON write it, perhaps cut off."""
    forms = [shown(value).rstrip("…"), str(value)[:20] if not isinstance(value, int) else ""]
    if isinstance(value, float) or (isinstance(value, int) and abs(value) < 1 << 63):
        forms += [f"{value:g}", str(value)]
    if isinstance(value, str):
        forms += [repr(value)[1:20], value[:20]]
    if value is None:
        forms += ["null"]
    return any(form and form in text for form in forms) or (value == "" and "''" in text)


def says(text: str, value: Any) -> bool:
    """Whether a message shows a value, or the part of it that doesn't fit, such as a key."""
    if names(text, value) or (isinstance(value, dict) and any(repr(key) in text for key in value)):
        return True
    parts = list(value.values()) if isinstance(value, dict) else value
    return isinstance(parts, list) and any(says(text, part) for part in parts)
