"""A block of a fully connected layer, as kernels need it."""

import inspect
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from .vectors import Formulas, floats_type, splat_in

ROWS = 12 if binding.get_host_cpu_features().get("avx512f") else 6
"""Points that go through a layer together: their sums fill the registers of the processor."""


UNROLLED = 8
"""Inputs of one turn of the loop; divides the lanes of a vector."""


def _linear_layer(
    typing: Any,
    inputs: Any,
    input_at: Any,
    input_row: Any,
    weights: Any,
    weight_at: Any,
    weight_row: Any,
    biases: Any,
    bias_at: Any,
    outputs: Any,
    output_at: Any,
    output_row: Any,
    depth: Any,
) -> Any:
    """Writes 16 outputs of `ROWS` points: biases + inputs · weights.

    Its arguments are flat arrays with the index where the block starts in them and the distance
    between their rows; then the number of inputs.
    """

    def code(context, builder, signature, args):
        def base(number: int) -> Any:
            array = context.make_array(signature.args[number])(context, builder, args[number])
            return builder.gep(array.data, [args[number + 1]])

        def as_vector(pointer: Any) -> Any:
            return builder.bitcast(pointer, floats_type.as_pointer())

        formulas = Formulas(builder)
        input_row, weight_row, output_row, depth = args[2], args[5], args[10], args[11]
        index = depth.type
        x, w, y = base(0), base(3), base(8)
        bias = builder.load(as_vector(base(6)), align=4)
        rows = [
            builder.gep(x, [builder.mul(input_row, ir.Constant(index, row))]) for row in range(ROWS)
        ]
        before = builder.block
        loop, after = builder.append_basic_block("inputs"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(index)
        sums = [builder.phi(floats_type) for _ in range(ROWS)]
        totals = sums
        for step in range(UNROLLED):
            at = builder.add(k, ir.Constant(index, step))
            weight_at = builder.gep(w, [builder.mul(at, weight_row)])
            weight = builder.load(as_vector(weight_at), align=4)
            totals = [
                formulas.fma(splat_in(builder, builder.load(builder.gep(row, [at]))), weight, total)
                for row, total in zip(rows, totals, strict=True)
            ]
        following = builder.add(k, ir.Constant(index, UNROLLED))
        for phi, first, next_value in (
            (k, ir.Constant(index, 0), following),
            *((phi, bias, total) for phi, total in zip(sums, totals, strict=True)),
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(next_value, loop)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
        builder.position_at_end(after)
        for row, total in enumerate(totals):
            at = builder.gep(y, [builder.mul(output_row, ir.Constant(index, row))])
            builder.store(total, as_vector(at), align=4)
        return context.get_dummy_value()

    place = types.intp
    arguments = (
        *(inputs, place, place, weights, place, place),
        *(biases, place, outputs, place, place, place),
    )
    return types.void(*arguments), code


linear_layer = intrinsic(inspect.unwrap(_linear_layer))
