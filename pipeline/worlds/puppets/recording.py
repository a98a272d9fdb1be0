"""Records elementwise torch code and writes it as loops over points that numba compiles.

The readable functions of the world stay the only statement of its formulas: they are run once on a
handful of points, every operator is written down, and the list is printed as Python source.
"""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .factors import Puppet, unpack, width

IDENTITIES, POINTS = 2, 5
"""Sizes of the recorded run: they tell what varies by point from what is fixed for an identity."""

BINARY = {
    "mul": "{0} * {1}",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "div": "{0} / {1}",
    "minimum": "min({0}, {1})",
    "maximum": "max({0}, {1})",
    "rsub": "{1} - {0}",
    "atan2": "atan2({0}, {1})",
}
COMPARISONS = {"eq": "==", "lt": "<", "gt": ">", "ge": ">=", "le": "<=", "ne": "!="}
LOGIC = {"bitwise_or": "{0} | {1}", "bitwise_and": "{0} & {1}", "bitwise_not": "not {0}"}
UNARY = {
    "neg": "-{0}",
    "abs": "abs({0})",
    "sqrt": "sqrt({0})",
    "rsqrt": "ONE / sqrt({0})",
    "reciprocal": "ONE / {0}",
    "sin": "sin({0})",
    "exp": "exp({0})",
}
POWERS = {2: "{0} * {0}", 4: "({0} * {0}) * ({0} * {0})", 0.25: "sqrt(sqrt({0}))"}


class Recorder(TorchDispatchMode):
    """Writes every operator that runs below it as assignments of scalars."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[str, tuple[str, bool]] = {}  # name → expression, whether it varies
        self._names: dict[int, list[str]] = {}
        self._kept: list[Tensor] = []  # an id stands for its tensor while that lives
        self._known: dict[str, str] = {}

    def name(self, tensor: Tensor, names: list[str]) -> None:
        """Says that the channels of `tensor` are the variables `names`."""
        self._names[id(tensor)] = names
        self._kept.append(tensor)

    def channels(self, value: Any) -> list[str]:
        """The variables or literals of a tensor or a number."""
        if not isinstance(value, Tensor):
            return [f"F({float(value)!r})"]
        if id(value) not in self._names:
            self.name(value, [f"F({number!r})" for number in value.flatten().tolist()])
        return self._names[id(value)]

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        operator = func.overloadpacket.__name__
        if operator in ("unsqueeze", "expand", "view", "alias", "detach", "clone", "lift_fresh"):
            names = self.channels(args[0])
        elif operator == "slice":
            dim, start, end = args[1:4]
            names = self.channels(args[0])
            if dim % args[0].ndim == args[0].ndim - 1:
                names = names[start:end]
        elif operator in ("scalar_tensor", "full_like", "zeros_like", "lift_fresh_copy"):
            constant = args[0] if operator == "lift_fresh_copy" else result.flatten()[0].item()
            names = self.channels(constant)
        else:
            names = self._elementwise(operator, args, kwargs, result)
        self.name(result, names)
        return result

    def _elementwise(
        self, operator: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Tensor
    ) -> list[str]:
        operands = [self._as_float(a) if operator not in LOGIC else self.channels(a) for a in args]
        template = self._template(operator, args, kwargs)
        if operator == "clamp":
            low, high = (*args[1:], None, None)[:2]
            low, high = kwargs.get("min", low), kwargs.get("max", high)
            template = "{0}"
            if low is not None:
                template = f"max({template}, {self.channels(low)[0]})"
            if high is not None:
                template = f"min({template}, {self.channels(high)[0]})"
        if operator == "where":
            operands[0] = self.channels(args[0])
        count = max(len(operand) for operand in operands)
        varies = result.ndim > 1 and result.shape[1] == POINTS
        return [
            self._assign(template.format(*(o[c % len(o)] for o in operands)), varies)
            for c in range(count)
        ]

    def _template(self, operator: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        if kwargs.get("alpha", 1) != 1 or (operator == "rsub" and len(args) > 2):
            raise NotImplementedError(f"{operator} with a factor")
        if operator == "pow":
            return POWERS[args[1]]
        if operator == "where":
            return "({1} if {0} else {2})"
        if operator in COMPARISONS:
            return f"{{0}} {COMPARISONS[operator]} {{1}}"
        if operator == "clamp":
            return ""
        template = {**BINARY, **LOGIC, **UNARY}.get(operator)
        if template is None:
            raise NotImplementedError(f"{operator} has no form in kernels: add it to recording.py")
        return template

    def _as_float(self, value: Any) -> list[str]:
        names = self.channels(value) if value is not None else ["None"]
        if isinstance(value, Tensor) and value.dtype == torch.bool:
            return [self._assign(f"(ONE if {n} else ZERO)", self.lines[n][1]) for n in names]
        return names

    def _assign(self, expression: str, varies: bool) -> str:
        if expression not in self._known:
            name = f"{'v' if varies else 'c'}{len(self.lines)}"
            self._known[expression] = name
            self.lines[name] = (expression, varies)
        return self._known[expression]


def write_kernel(
    name: str, of: Callable[[tuple[Tensor, Tensor, Tensor], Puppet], list[Tensor]]
) -> str:
    """Source of `name(p, x, y, z, out)`: what `of` makes of world points and a puppet whose packed
    factors are `p`, channel by channel into the rows of `out`.
    """
    random = torch.Generator().manual_seed(0)
    packed = torch.rand(IDENTITIES, width(Puppet), generator=random)
    points = [torch.rand(IDENTITIES, POINTS, generator=random) for _ in range(3)]
    with Recorder() as recorder:
        recorder.name(packed, [f"p[{i}]" for i in range(width(Puppet))])
        for point, letter in zip(points, "xyz", strict=True):
            recorder.name(point, [letter + "_"])
        x, y, z = points
        results = [
            n for value in of((x, y, z), unpack(Puppet, packed)) for n in recorder.channels(value)
        ]
    needed = _needed(recorder.lines, results)
    fixed = [
        f"    {n} = {e}" for n, (e, varies) in recorder.lines.items() if n in needed and not varies
    ]
    moving = [
        f"        {n} = {e}" for n, (e, varies) in recorder.lines.items() if n in needed and varies
    ]
    head = ["@loop", f"def {name}(p, x, y, z, out):"]
    start = ["    for i in range(x.size):", "        x_, y_, z_ = x[i], y[i], z[i]"]
    end = [f"        out[{row}, i] = {n}" for row, n in enumerate(results)]
    return "\n".join(head + fixed + start + moving + end) + "\n"


def _needed(lines: dict[str, tuple[str, bool]], results: list[str]) -> set[str]:
    needed, open_ = set(), list(results)
    while open_:
        name = open_.pop()
        if name in lines and name not in needed:
            needed.add(name)
            open_ += re.findall(r"\b[cv]\d+\b", lines[name][0])
    return needed
