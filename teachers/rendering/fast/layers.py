"""A block of a fully connected layer, as kernels need it."""

import inspect
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from .vectors import Formulas, floats_type, splat_in

ROWS = 12 if binding.get_host_cpu_features().get("avx512f") else 6
"""Points that go through a layer together: their sums fill the registers of the processor."""


GROUP = 8 if binding.get_host_cpu_features().get("avx512f") else 4
"""Rows of a sum of products that are added up together."""


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


def _add_products(
    typing: Any,
    left: Any,
    left_at: Any,
    left_step: Any,
    right: Any,
    right_at: Any,
    right_step: Any,
    sums: Any,
    sum_at: Any,
    sum_row: Any,
    count: Any,
) -> Any:
    """Adds to `GROUP` rows of 16 sums the products of `GROUP` neighbours on the left and 16 on the
    right, of each of `count` ≥ 1 points.

    Its arguments are flat arrays with the index where they start and the distance to the next point
    (of the sums: to the next row).
    """

    def code(context, builder, signature, args):
        def base(number: int) -> Any:
            array = context.make_array(signature.args[number])(context, builder, args[number])
            return builder.gep(array.data, [args[number + 1]])

        def as_vector(pointer: Any) -> Any:
            return builder.bitcast(pointer, floats_type.as_pointer())

        formulas = Formulas(builder)
        left_step, right_step, sum_row, count = args[2], args[5], args[8], args[9]
        index = count.type
        a, b, y = base(0), base(3), base(6)
        rows = [
            as_vector(builder.gep(y, [builder.mul(sum_row, ir.Constant(index, row))]))
            for row in range(GROUP)
        ]
        begun = [builder.load(row, align=4) for row in rows]
        before = builder.block
        loop, after = builder.append_basic_block("points"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(index)
        sums = [builder.phi(floats_type) for _ in range(GROUP)]
        right = builder.load(as_vector(builder.gep(b, [builder.mul(k, right_step)])), align=4)
        here = builder.gep(a, [builder.mul(k, left_step)])
        totals = []
        for row, sum_ in enumerate(sums):
            number = builder.load(builder.gep(here, [ir.Constant(index, row)]))
            totals.append(formulas.fma(splat_in(builder, number), right, sum_))
        following = builder.add(k, ir.Constant(index, 1))
        for phi, first, next_value in (
            (k, ir.Constant(index, 0), following),
            *zip(sums, begun, totals, strict=True),
        ):
            phi.add_incoming(first, before)
            phi.add_incoming(next_value, loop)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
        builder.position_at_end(after)
        for row, total in zip(rows, totals, strict=True):
            builder.store(total, row, align=4)
        return context.get_dummy_value()

    place = types.intp
    arguments = (left, place, place, right, place, place, sums, place, place, place)
    return types.void(*arguments), code


add_products = intrinsic(inspect.unwrap(_add_products))
