"""A pickle interpreter that can only build data.

It walks the opcodes of a pickle and knows the few of them that describe numbers, strings, bytes and
containers. It never imports, looks up or calls anything: globals, calls and objects are handed to a
`Policy`, which returns inert records or refuses. Everything else (extension registry,
out-of-band buffers, text protocol, …) is refused by name. Sizes are checked against the file before
anything is allocated, and dictionary keys are strings or integers, so that no file can be slow to
hash.
"""

import pickletools
import struct
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

MAX_NAME = 512
"""Longest module or attribute name of a global, in bytes."""


class UnreadablePickle(ValueError):
    """What is wrong with the pickle, in a sentence without the file's name."""


@runtime_checkable
class Policy(Protocol):
    """What stands behind a pickle's globals.

    Every method returns inert data or raises `UnreadablePickle`.
    """

    def find(self, name: str) -> Any:
        """The token for a global, given as "module.attribute"."""
        ...

    def call(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        """What REDUCE of a token stands for."""
        ...

    def create(self, token: Any, arguments: tuple[Any, ...]) -> Any:
        """What NEWOBJ of a token stands for."""
        ...

    def build(self, record: Any, state: Any) -> None:
        """Gives a record the state of BUILD."""
        ...

    def persistent(self, identity: Any) -> Any:
        """What a persistent id stands for."""
        ...


def read_pickle(data: memoryview, policy: Policy, start: int = 0) -> tuple[Any, int]:
    """Reads the pickle that begins at byte `start`.

    Args:
        data: the file; byte strings in the result are views into it, never copies.
        policy: decides about globals.
        start: where the pickle begins.

    Returns:
        the value and the position after its end.

    Raises:
        UnreadablePickle: truncated, damaged, or anything that isn't plain data to the policy.
    """
    return _Machine(data, policy, start).run()


def short(value: Any) -> str:
    """A value for an error message: short strings and numbers as they are, others by their type."""
    if isinstance(value, str):
        return repr(value if len(value) <= 80 else value[:77] + "...")
    if isinstance(value, (bool, float)) or (isinstance(value, int) and abs(value) < 1 << 64):
        return repr(value)
    return f"a {type(value).__name__}"


class _Machine:
    """The stack machine of one pickle."""

    def __init__(self, data: memoryview, policy: Policy, start: int) -> None:
        self.data, self.policy, self.position = data, policy, start
        self.stack: list[Any] = []
        self.outer_stacks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> tuple[Any, int]:
        while True:
            code = self.take(1)[0]
            if code == _STOP:
                break
            operation = _OPERATIONS.get(code)
            if operation is None:
                raise UnreadablePickle(
                    f"{_name(code)} at byte {self.position - 1} is not an opcode of a network"
                    " snapshot: refused"
                )
            operation(self)
        value = self.pop()
        if self.stack or self.outer_stacks:
            raise UnreadablePickle(
                f"the pickle ends at byte {self.position} with values left over: damaged"
            )
        return value, self.position

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if end > len(self.data):
            raise UnreadablePickle(
                f"truncated: {size} bytes are announced at byte {self.position}, the data ends at"
                f" byte {len(self.data)}"
            )
        view = self.data[self.position : end]
        self.position = end
        return view

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> str:
        window = bytes(self.data[self.position : self.position + MAX_NAME])
        length = window.find(b"\n")
        if length < 0:
            raise UnreadablePickle(
                f"no end of the name that begins at byte {self.position}: damaged"
            )
        self.position += length + 1
        return _text(window[:length])

    def pop(self) -> Any:
        if not self.stack:
            raise UnreadablePickle(f"a value is missing at byte {self.position - 1}: damaged")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        if not self.stack or type(self.stack[-1]) is not kind:
            raise UnreadablePickle(
                f"no {kind.__name__} to fill at byte {self.position - 1}: damaged, or an object"
                " that poses as one"
            )
        return self.stack[-1]

    def pop_mark(self) -> list[Any]:
        if not self.outer_stacks:
            raise UnreadablePickle(f"a mark is missing at byte {self.position - 1}: damaged")
        items, self.stack = self.stack, self.outer_stacks.pop()
        return items


def _text(data: bytes | memoryview) -> str:
    try:
        return str(data, "utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise UnreadablePickle(f"a string is not UTF-8 ({error.reason}): damaged") from error


def _name(code: int) -> str:
    known = [opcode.name for opcode in pickletools.opcodes if opcode.code == chr(code)]
    return f"opcode {known[0]}" if known else f"byte 0x{code:02x}"


def _protocol(machine: _Machine) -> None:
    version = machine.number("<B")
    if not 2 <= version <= 5:
        raise UnreadablePickle(f"pickle protocol {version} is unknown; 2 to 5 are read")


def _frame(machine: _Machine) -> None:
    size = machine.number("<Q")
    if machine.position + size > len(machine.data):
        raise UnreadablePickle(
            f"truncated: a frame ends at byte {machine.position + size}, the data at byte"
            f" {len(machine.data)}"
        )


def _mark(machine: _Machine) -> None:
    machine.outer_stacks.append(machine.stack)
    machine.stack = []


def _push(make: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    def operation(machine: _Machine) -> None:
        value = make(machine)  # first: it may replace the stack
        machine.stack.append(value)

    return operation


def _tuple_of(size: int) -> Callable[[_Machine], None]:
    def operation(machine: _Machine) -> None:
        machine.stack.append(tuple(reversed([machine.pop() for _ in range(size)])))

    return operation


def _append(machine: _Machine) -> None:
    item = machine.pop()
    machine.top(list).append(item)


def _append_all(machine: _Machine) -> None:
    items = machine.pop_mark()
    machine.top(list).extend(items)


def _set_item(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.top(dict)[_key(key)] = value


def _set_items(machine: _Machine) -> None:
    items = machine.pop_mark()
    if len(items) % 2:
        raise UnreadablePickle(f"a key without a value at byte {machine.position - 1}: damaged")
    machine.top(dict).update(
        (_key(key), value) for key, value in zip(items[::2], items[1::2], strict=True)
    )


def _add_all(machine: _Machine) -> None:
    items = machine.pop_mark()
    machine.top(set).update(_key(item) for item in items)


def _key(key: Any) -> str | int:
    if type(key) not in (str, int):
        raise UnreadablePickle(
            f"{short(key)} as a dictionary key or in a set is unsupported: only strings and"
            " integers are read"
        )
    return key


def _put(machine: _Machine, index: int) -> None:
    if not machine.stack:
        raise UnreadablePickle(f"nothing to remember at byte {machine.position - 1}: damaged")
    machine.memo[index] = machine.stack[-1]


def _get(machine: _Machine, index: int) -> None:
    if index not in machine.memo:
        raise UnreadablePickle(
            f"value {index} is used at byte {machine.position - 1} before it is there: damaged"
        )
    machine.stack.append(machine.memo[index])


def _global(machine: _Machine) -> None:
    module, attribute = machine.line(), machine.line()
    machine.stack.append(machine.policy.find(f"{module}.{attribute}"))


def _stack_global(machine: _Machine) -> None:
    attribute, module = machine.pop(), machine.pop()
    if not isinstance(module, str) or not isinstance(attribute, str):
        raise UnreadablePickle(
            f"a global's name at byte {machine.position - 1} is not a string: refused"
        )
    machine.stack.append(machine.policy.find(f"{module}.{attribute}"))


def _with_arguments(machine: _Machine) -> tuple[Any, tuple[Any, ...]]:
    arguments, token = machine.pop(), machine.pop()
    if not isinstance(arguments, tuple):
        raise UnreadablePickle(
            f"arguments at byte {machine.position - 1} are {short(arguments)}, not a tuple: damaged"
        )
    return token, arguments


def _reduce(machine: _Machine) -> None:
    machine.stack.append(machine.policy.call(*_with_arguments(machine)))


def _new_object(machine: _Machine) -> None:
    machine.stack.append(machine.policy.create(*_with_arguments(machine)))


def _build(machine: _Machine) -> None:
    state = machine.pop()
    if not machine.stack:
        raise UnreadablePickle(f"no object for the state at byte {machine.position - 1}: damaged")
    machine.policy.build(machine.stack[-1], state)


_STOP = ord(".")
_OPERATIONS: dict[int, Callable[[_Machine], None]] = {
    ord(code): operation
    for code, operation in {
        "\x80": _protocol,
        "\x95": _frame,
        "(": _mark,
        "N": _push(lambda machine: None),
        "\x88": _push(lambda machine: True),
        "\x89": _push(lambda machine: False),
        "J": _push(lambda machine: machine.number("<i")),
        "K": _push(lambda machine: machine.number("<B")),
        "M": _push(lambda machine: machine.number("<H")),
        "\x8a": _push(
            lambda machine: int.from_bytes(
                machine.take(machine.number("<B")), "little", signed=True
            )
        ),
        "G": _push(lambda machine: machine.number(">d")),
        "X": _push(lambda machine: _text(machine.take(machine.number("<I")))),
        "\x8c": _push(lambda machine: _text(machine.take(machine.number("<B")))),
        "\x8d": _push(lambda machine: _text(machine.take(machine.number("<Q")))),
        "B": _push(lambda machine: machine.take(machine.number("<I"))),
        "C": _push(lambda machine: machine.take(machine.number("<B"))),
        "\x8e": _push(lambda machine: machine.take(machine.number("<Q"))),
        ")": _push(lambda machine: ()),
        "]": _push(lambda machine: []),
        "}": _push(lambda machine: {}),
        "\x8f": _push(lambda machine: set()),
        "\x85": _tuple_of(1),
        "\x86": _tuple_of(2),
        "\x87": _tuple_of(3),
        "t": _push(lambda machine: tuple(machine.pop_mark())),
        "a": _append,
        "e": _append_all,
        "s": _set_item,
        "u": _set_items,
        "\x90": _add_all,
        "\x94": lambda machine: _put(machine, len(machine.memo)),
        "q": lambda machine: _put(machine, machine.number("<B")),
        "r": lambda machine: _put(machine, machine.number("<I")),
        "h": lambda machine: _get(machine, machine.number("<B")),
        "j": lambda machine: _get(machine, machine.number("<I")),
        "c": _global,
        "\x93": _stack_global,
        "R": _reduce,
        "\x81": _new_object,
        "b": _build,
        "Q": _push(lambda machine: machine.policy.persistent(machine.pop())),
    }.items()
}
