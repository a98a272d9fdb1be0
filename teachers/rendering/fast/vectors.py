"""Vectors of 16 floats inside numba kernels, and the functions of a small network on them.

LLVM maps a vector onto the registers there are: one of AVX-512, two of AVX2, four of SSE or NEON.
Written out, because loops over arrays are vectorised only where the compiler can prove that no two
of a dozen arrays overlap.
"""

import functools
import hashlib
import inspect
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic as numba_intrinsic
from numba.extending import models, overload, register_model

LANES = 16
"""Floats in a vector."""


_OPTIONS: dict[str, Any] = {
    "fastmath": {"contract"},
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}


def kernel(function: Callable[..., Any]) -> Any:
    """Compiles for the host at the first call, without the interpreter's lock, kept on disk.

    Products and sums may be fused; NaNs and infinities keep their meaning.
    """
    plain = inspect.unwrap(function)  # a type checker may have wrapped it
    options = {**_OPTIONS, "nogil": True}
    try:
        compiled = njit(cache=True, **options)(plain)
    except RuntimeError:  # no folder that could be written: compiled in every process
        return njit(**options)(plain)
    # numba compiles a kernel again if its own file has changed, but not if one has that it calls.
    stamped: Any = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if hasattr(stamped, "_source_stamp"):
        stamped._source_stamp = (stamped._source_stamp, _sources())
    return compiled


@functools.cache
def _sources() -> str:
    """Digest of the files of this folder, whose functions kernels call."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def part(function: Callable[..., Any]) -> Any:
    """A function that kernels call."""
    options = {**_OPTIONS, "no_cpython_wrapper": True}
    return njit(**options)(inspect.unwrap(function))


def inlined(function: Callable[..., Any]) -> Any:
    """A function that kernels call for every point: its instructions are put where it is called."""
    options = {**_OPTIONS, "forceinline": True, "no_cpython_wrapper": True}
    return njit(**options)(inspect.unwrap(function))


def _intrinsic(function: Callable[..., Any]) -> Any:
    return numba_intrinsic(inspect.unwrap(function))


class VectorType(types.Type):
    """Sixteen floats in numba's type system."""

    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


vector = VectorType()
floats_type = ir.VectorType(ir.FloatType(), LANES)
_ints = ir.VectorType(ir.IntType(32), LANES)


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, floats_type)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(floats_type, [float(np.float32(value))] * LANES)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), floats_type.as_pointer())


@_intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Sixteen neighbours of a flat float array from `index` on."""

    def code(context, builder, signature, args):
        address = _address(context, builder, signature.args[0], *args)
        return builder.load(address, align=4)

    return vector(array, types.intp), code


@_intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Writes sixteen neighbours of a flat float array from `index` on."""

    def code(context, builder, signature, args):
        address = _address(context, builder, signature.args[0], args[0], args[1])
        builder.store(args[2], address, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), code


def splat_in(builder: Any, number: Any) -> Any:
    """The instructions of `splat`."""
    undefined = ir.Constant(floats_type, ir.Undefined)
    lane = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(lane, undefined, ir.Constant(_ints, [0] * LANES))


@_intrinsic
def splat(typing: Any, value: Any) -> Any:
    """Sixteen times the same number."""

    def code(context, builder, signature, args):
        return splat_in(builder, args[0])

    return vector(types.float32), code


@_intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """The product of a and b, plus c: one instruction where there is such a one."""

    def code(context, builder, signature, args):
        return Formulas(builder).fma(*args)

    return vector(vector, vector, vector), code


@_intrinsic
def where_less(typing: Any, a: Any, b: Any, yes: Any, no: Any) -> Any:
    """Lane by lane, `yes` where a < b, else `no`."""

    def code(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return vector(vector, vector, vector, vector), code


@_intrinsic
def total(typing: Any, a: Any) -> Any:
    """Sum of the lanes, in halves."""

    def code(context, builder, signature, args):
        rest, width = args[0], LANES
        while width > 1:
            width //= 2
            undefined = ir.Constant(rest.type, ir.Undefined)
            mask = ir.VectorType(ir.IntType(32), width)
            low = ir.Constant(mask, list(range(width)))
            high = ir.Constant(mask, list(range(width, 2 * width)))
            rest = builder.fadd(
                builder.shuffle_vector(rest, undefined, low),
                builder.shuffle_vector(rest, undefined, high),
            )
        return builder.extract_element(rest, ir.Constant(ir.IntType(32), 0))

    return types.float32(vector), code


def _operator(python_operator: Callable[..., Any], name: str) -> None:
    """Lets a Python operator on two vectors be one instruction."""

    def typed(typing, a, b):
        def code(context, builder, signature, args):
            return getattr(builder, name)(*args)

        if isinstance(a, VectorType) and isinstance(b, VectorType):
            return vector(vector, vector), code
        return None

    instruction = numba_intrinsic(typed)

    def implement(a, b):
        if isinstance(a, VectorType) and isinstance(b, VectorType):
            return lambda a, b: instruction(a, b)  # type: ignore[call-arg]
        return None

    overload(python_operator, inline="always")(implement)


for _python_operator, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
):
    _operator(_python_operator, _name)

# Cephes' expf: exp(r) = 1 + r + r² · polynomial(r) for |r| ≤ ln(2) / 2.
_EXP = (
    *(1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3),
    *(4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
)
# log(1 + u) / u for 0 ≤ u ≤ 1, Chebyshev interpolation of degree 8: 3e-8 relative.
_LOG = (
    *(0.0052534577967849804, -0.029588507391646018, 0.07836166801604996, -0.1367476970522086),
    *(0.1911143108037353, -0.24844369892389484, 0.33319271342485807, -0.4999950151678588),
    0.9999999705406566,
)


class Formulas:
    """Writes the instructions of formulas on vectors."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """The product of a and b, plus c: one instruction where there is such a one."""
        kind = ir.FunctionType(floats_type, [floats_type] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        return self.builder.call(
            cgutils.get_or_insert_function(self.builder.module, kind, name), (a, b, c)
        )

    def bounded(self, a: Any, bound: Any, comparison: str) -> Any:
        """`bound` where a is "<" or ">" than it; a where it is NaN."""
        builder = self.builder
        return builder.select(builder.fcmp_ordered(comparison, a, bound), bound, a)

    def polynomial(self, x: Any, coefficients: tuple[float, ...]) -> Any:
        """Horner's rule, the highest power first."""
        value = _constant(coefficients[0])
        for coefficient in coefficients[1:]:
            value = self.fma(value, x, _constant(coefficient))
        return value

    def exp_parts(self, x: Any) -> tuple[Any, Any]:
        """exp(x) = 2ⁿ · (1 + p): 2ⁿ and p. x is kept within -87 and 88.

        n is read off the bits of a sum with 1.5 · 2²³, which rounds.
        """
        builder, shift = self.builder, _constant(1.5 * 2**23)
        x = self.bounded(self.bounded(x, _constant(-87.0), "<"), _constant(88.0), ">")
        shifted = self.fma(x, _constant(1.44269504), shift)
        n = builder.fsub(shifted, shift)
        r = self.fma(n, _constant(-0.693359375), x)
        r = self.fma(n, _constant(2.12194440e-4), r)
        p = self.fma(self.polynomial(r, _EXP), builder.fmul(r, r), r)
        exponent = builder.shl(builder.bitcast(shifted, _ints), ir.Constant(_ints, [23] * LANES))
        one = ir.Constant(_ints, [127 << 23] * LANES)
        return builder.bitcast(builder.add(exponent, one), floats_type), p

    def exp(self, x: Any) -> Any:
        """Both parts together."""
        scale, p = self.exp_parts(x)
        return self.fma(scale, p, scale)

    def one_minus_exp(self, x: Any) -> Any:
        """1 - exp(-x)."""
        scale, p = self.exp_parts(self.builder.fneg(x))
        rest = self.builder.fsub(_constant(1.0), scale)
        return self.fma(self.builder.fneg(scale), p, rest)

    def sigmoid(self, x: Any) -> Any:
        """1 / (1 + exp(-x))."""
        return self.builder.fdiv(
            _constant(1.0), self.builder.fadd(_constant(1.0), self.exp(self.builder.fneg(x)))
        )

    def softplus(self, x: Any) -> Any:
        """log(1 + exp(x)) = max(x, 0) + log(1 + u) with u = exp(-|x|)."""
        u = self.exp(self.bounded(x, self.builder.fneg(x), ">"))
        return self.fma(self.polynomial(u, _LOG), u, self.bounded(x, _constant(0.0), "<"))


def _formula(name: str) -> Any:
    def typed(typing, x):
        def code(context, builder, signature, args):
            return getattr(Formulas(builder), name)(args[0])

        return vector(vector), code

    return numba_intrinsic(typed)


exp = _formula("exp")
"""exp of a vector: relative error at most 2e-7; flat below -87 and above 88."""

one_minus_exp = _formula("one_minus_exp")
"""1 - exp(-x): relative error at most 4e-7, near zero, too."""

sigmoid = _formula("sigmoid")
"""1 / (1 + exp(-x)): error at most 2e-7."""

softplus = _formula("softplus")
"""log(1 + exp(x)): relative error at most 4e-7 above -80."""
