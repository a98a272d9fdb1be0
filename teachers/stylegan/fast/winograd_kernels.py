"""Kernels of a 3x3 convolution by Winograd's minimal filtering F(4x4, 3x3) (Lavin and Gray 2016).

4x4 outputs are Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A, with d the 6x6 inputs that they see: 36 products for
each pair of channels instead of 144. Over all channels, the 36 positions are 36 matrix products.
`convolve_tiles` takes a range of tiles through all of it, a few dozen at a time, so that what lies
between the transforms stays in a core's cache.

Inner loops are written as vectors of 16 floats: one register of AVX-512, two of AVX2, four of SSE
or NEON.
"""

import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from teachers.rendering.fast.vectors import LANES, kernel

ROWS = 6
"""Tiles whose products with a panel of weights are summed in registers at a time."""

WIDTH = LANES * (4 if binding.get_host_cpu_features().get("avx512f", False) else 1)
"""Output channels in a panel of weights: as many as fit the registers of this processor."""

DEPTH = 4
"""Blocks of 16 input channels whose panel of weights stays in the first cache."""

NEAR, FAR = math.sqrt(0.5), math.sqrt(2)
"""The interpolation points are 0, ±NEAR, ±FAR and infinity. Their powers stay closer to 1 than
those of Lavin and Gray's 1 and 2: a half to a third of the rounding errors.
"""

SLACK = LANES
"""Floats between the 36 positions, so that they don't share a line of the cache's sets."""

_floats = ir.VectorType(ir.FloatType(), LANES)
_index = ir.IntType(64)


def _intrinsic(function: Callable[..., Any]) -> Any:
    return intrinsic(inspect.unwrap(function))  # a type checker may have wrapped it


class _Code:
    """Writes instructions on vectors."""

    def __init__(self, context: Any, builder: Any) -> None:
        self.context, self.builder = context, builder

    def pointer(self, kind: Any, array: Any, index: Any) -> Any:
        data = self.context.make_array(kind)(self.context, self.builder, array).data
        return self.builder.gep(data, [index])

    def places(self, first: Any, step: Any, count: int) -> list[Any]:
        """Pointers to `first`, one step further, …"""
        found = [first]
        for _ in range(count - 1):
            found.append(self.builder.gep(found[-1], [step]))
        return found

    def load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, _floats.as_pointer()), align=4)

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, _floats.as_pointer()), align=4)

    def splat(self, scalar: Any) -> Any:
        undefined = ir.Constant(_floats, ir.Undefined)
        first = self.builder.insert_element(undefined, scalar, ir.IntType(32)(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return self.builder.shuffle_vector(first, undefined, zeros)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """The sum of a · b and c; a may be a number."""
        if isinstance(a, int | float):
            a = ir.Constant(_floats, [float(a)] * LANES)
        kind = ir.FunctionType(_floats, [_floats] * 3)
        name = f"llvm.fma.v{LANES}f32"
        return self.builder.call(
            cgutils.get_or_insert_function(self.builder.module, kind, name), (a, b, c)
        )

    def pick(self, comparison: str, bound: Any, value: Any) -> Any:
        """`bound` where `bound` `comparison` `value`; a NaN stays."""
        chosen = self.builder.fcmp_ordered(comparison, bound, value)
        return self.builder.select(chosen, bound, value)

    def inputs(self, d: Sequence[Any]) -> list[Any]:
        """Bᵀ d in one direction: 6 → 6."""
        even_far, odd_far = self.fma(-2, d[2], d[4]), self.fma(-2, d[1], d[3])
        even_near, odd_near = self.fma(-0.5, d[2], d[4]), self.fma(-0.5, d[1], d[3])
        return [
            self.builder.fadd(self.fma(-2.5, d[2], d[4]), d[0]),
            self.fma(NEAR, odd_far, even_far),
            self.fma(-NEAR, odd_far, even_far),
            self.fma(FAR, odd_near, even_near),
            self.fma(-FAR, odd_near, even_near),
            self.builder.fadd(self.fma(-2.5, d[3], d[5]), d[1]),
        ]

    def outputs(self, m: Sequence[Any]) -> list[Any]:
        """Aᵀ m in one direction: 6 → 4, the powers of the points."""
        add, sub = self.builder.fadd, self.builder.fsub
        even_near, odd_near = add(m[1], m[2]), sub(m[1], m[2])
        even_far, odd_far = add(m[3], m[4]), sub(m[3], m[4])
        zero = ir.Constant(_floats, [0.0] * LANES)
        return [
            add(add(m[0], even_near), even_far),
            self.fma(NEAR, odd_near, self.fma(FAR, odd_far, zero)),
            self.fma(NEAR**2, even_near, self.fma(FAR**2, even_far, zero)),
            self.fma(NEAR**3, odd_near, self.fma(FAR**3, odd_far, m[5])),
        ]


@_intrinsic
def transform_inputs(
    typing: Any, x: Any, i: Any, row: Any, column: Any, v: Any, j: Any, gap: Any
) -> Any:
    """Bᵀ d B of 16 channels of a tile: x[i + row · r + column · c] → v[j + gap · (6 r + c)]."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = _Code(context, builder)
        rows = write.places(write.pointer(signature.args[0], args[0], args[1]), args[2], 6)
        d = [[write.load(at) for at in write.places(first, args[3], 6)] for first in rows]
        across = [write.inputs(line) for line in d]
        down = [write.inputs([line[c] for line in across]) for c in range(6)]
        targets = write.places(write.pointer(signature.args[4], args[4], args[5]), args[6], 36)
        for n, target in enumerate(targets):
            write.store(down[n % 6][n // 6], target)
        return context.get_dummy_value()

    return types.void(x, *[types.intp] * 3, v, *[types.intp] * 2), code


@_intrinsic
def multiply(
    typing: Any, v: Any, i: Any, pitch: Any, u: Any, j: Any, m: Any, k: Any, blocks: Any, adds: Any
) -> Any:
    """Sums of products over 16 · `blocks` channels of `ROWS` tiles and one panel of weights.

    Tile r, channel 16 n + c lies at v[i + pitch · n + 16 r + c]; channel n, output o at
    u[j + WIDTH · n + o]; the sums go to m[k + WIDTH · r + o], `adds`: are added to what is there.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = _Code(context, builder)
        first_v = write.pointer(signature.args[0], args[0], args[1])
        first_u = write.pointer(signature.args[3], args[3], args[4])
        columns = WIDTH // LANES
        target = write.pointer(signature.args[5], args[5], args[6])
        sums = [cgutils.alloca_once(builder, _floats) for _ in range(ROWS * columns)]
        with builder.if_else(args[8]) as (before, nothing):
            with before:
                for n, place in enumerate(sums):
                    builder.store(write.load(builder.gep(target, [_index(n * LANES)])), place)
            with nothing:
                for place in sums:
                    builder.store(ir.Constant(_floats, [0.0] * LANES), place)
        with cgutils.for_range(builder, args[7]) as loop:
            tiles = builder.gep(first_v, [builder.mul(loop.index, args[2])])
            panel = builder.gep(first_u, [builder.mul(loop.index, _index(LANES * WIDTH))])
            values = [builder.load(place) for place in sums]
            for channel in range(LANES):
                weights = [
                    write.load(builder.gep(panel, [_index(channel * WIDTH + c * LANES)]))
                    for c in range(columns)
                ]
                for row in range(ROWS):
                    at = builder.gep(tiles, [_index(row * LANES + channel)])
                    value = write.splat(builder.load(at))
                    for c, weight in enumerate(weights):
                        n = row * columns + c
                        values[n] = write.fma(value, weight, values[n])
            for place, value in zip(sums, values, strict=True):
                builder.store(value, place)
        for n, place in enumerate(sums):
            write.store(builder.load(place), builder.gep(target, [_index(n * LANES)]))
        return context.get_dummy_value()

    return types.void(
        v, *[types.intp] * 2, u, types.intp, m, *[types.intp] * 2, types.boolean
    ), code


@_intrinsic
def transform_outputs(
    typing: Any, m: Any, i: Any, gap: Any, gain: Any, bias: Any, b: Any, noise: Any, n: Any,
    noise_row: Any, noise_column: Any, leak: Any, limit: Any, out: Any, j: Any, row: Any,
    column: Any,
) -> Any:  # fmt: skip
    """Aᵀ m A of 16 outputs of a tile, times gain, plus bias and noise, leaky ReLU, clamp.

    m[i + gap · (6 r + c)] → out[j + row · r + column · c], for channels from `b` on.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = _Code(context, builder)
        kinds = signature.args
        at = write.places(write.pointer(kinds[0], args[0], args[1]), args[2], 36)
        down = [write.outputs([write.load(at[6 * r + c]) for r in range(6)]) for c in range(6)]
        gain = write.load(write.pointer(kinds[3], args[3], args[5]))
        bias = write.load(write.pointer(kinds[4], args[4], args[5]))
        noises = write.places(write.pointer(kinds[6], args[6], args[7]), args[8], 4)
        targets = write.places(write.pointer(kinds[12], args[12], args[13]), args[14], 4)
        top = write.splat(args[11])
        bottom = builder.fneg(top)
        leak = write.splat(args[10])
        for r in range(4):
            across = write.outputs([line[r] for line in down])
            places = zip(
                across,
                write.places(noises[r], args[9], 4),
                write.places(targets[r], args[15], 4),
                strict=True,
            )
            for value, noise_at, target in places:
                shift = builder.fadd(bias, write.splat(builder.load(noise_at)))
                value = write.fma(value, gain, shift)
                value = write.pick(">", builder.fmul(value, leak), value)
                write.store(write.pick(">", bottom, write.pick("<", top, value)), target)
        return context.get_dummy_value()

    kinds = (m, *[types.intp] * 2, gain, bias, types.intp, noise, *[types.intp] * 3)
    return types.void(*kinds, *[types.float32] * 2, out, *[types.intp] * 3), code


@_intrinsic
def dot(typing: Any, a: Any, i: Any, b: Any, j: Any, blocks: Any) -> Any:
    """Sum of the products of 16 · `blocks` neighbours of a from i on with those of b from j on."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        write = _Code(context, builder)
        first = write.pointer(signature.args[0], args[0], args[1])
        second = write.pointer(signature.args[2], args[2], args[3])
        place = cgutils.alloca_once_value(builder, ir.Constant(_floats, [0.0] * LANES))
        with cgutils.for_range(builder, args[4]) as loop:
            step = builder.mul(loop.index, _index(LANES))
            x, y = (write.load(builder.gep(p, [step])) for p in (first, second))
            builder.store(write.fma(x, y, builder.load(place)), place)
        rest, width = builder.load(place), LANES
        while width > 1:
            width //= 2
            masks = [
                ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width)))
                for start in (0, width)
            ]
            low, high = (
                builder.shuffle_vector(rest, ir.Constant(rest.type, ir.Undefined), mask)
                for mask in masks
            )
            rest = builder.fadd(low, high)
        return builder.extract_element(rest, ir.IntType(32)(0))

    return types.float32(a, types.intp, b, *[types.intp] * 2), code


@kernel
def convolve_tiles(
    x, x_top, height, width, channels, u, outs, scale, gain, bias, noise, has_noise, leak,
    limit, out, out_top, keeps, first, last, tiles, v, m, patch, rgb, rgb_bias, rgb_limit, image,
):  # fmt: skip
    """Tiles `first` … `last` - 1 of a convolution with padding 1.

    Args:
        x: [height width channels], flat as all arrays, from row `x_top` on, as far as needed.
        u: transformed weights [36, scale² · outs / WIDTH, channels, WIDTH].
        outs: output channels; with `scale` 2 there are four phases of them, of twice the size.
        gain, bias: [outs], factor of the products and what is then added.
        noise: [scale · height, scale · width], or one 0 if not `has_noise`.
        leak: slope of the leaky ReLU below 0, at most 1.
        out: [scale · height, scale · width, outs] from row `out_top` on; not `keeps`: the outputs
            of `tiles` tiles.
        tiles: how many to take through the stages at a time, a multiple of ROWS.
        v, m, patch: scratch.
        rgb, rgb_bias: [color outs], [color]: a 1x1 convolution of the outputs, clamped to
            ±`rgb_limit`, that is added to `image` [color, scale · height, scale · width].
    """
    blocks, panels, across = channels // LANES, outs // WIDTH, width // 4
    pitch = tiles * LANES
    gap, m_gap = blocks * pitch + SLACK, tiles * WIDTH + SLACK
    wide = width * scale
    stride = 1 if has_noise else 0
    for start in range(first, last, tiles):
        count = min(tiles, last - start)
        for t in range(count):
            y, left = (start + t) // across * 4 - 1, (start + t) % across * 4 - 1
            if y >= 0 and left >= 0 and y + 6 <= height and left + 6 <= width:
                at, row = ((y - x_top) * width + left) * channels, width * channels
                for block in range(blocks):
                    to = block * pitch + t * LANES
                    transform_inputs(x, at + block * LANES, row, channels, v, to, gap)
                continue
            for i in range(6):
                for j in range(6):
                    to = (i * 6 + j) * channels
                    at = ((y + i - x_top) * width + left + j) * channels
                    if 0 <= y + i < height and 0 <= left + j < width:
                        patch[to : to + channels] = x[at : at + channels]
                    else:
                        patch[to : to + channels] = 0
            for block in range(blocks):
                to = block * pitch + t * LANES
                transform_inputs(patch, block * LANES, 6 * channels, channels, v, to, gap)
        for panel in range(scale * scale * panels):
            for n in range(36):
                weights = (n * scale * scale * panels + panel) * channels * WIDTH
                for block in range(0, blocks, DEPTH):
                    some = min(DEPTH, blocks - block)
                    part = weights + block * LANES * WIDTH
                    at = n * gap + block * pitch
                    for t in range(0, count, ROWS):
                        to = n * m_gap + t * WIDTH
                        multiply(v, at + t * LANES, pitch, u, part, m, to, some, block > 0)
            phase, channel = panel // panels, panel % panels * WIDTH
            for t in range(count):
                top = (start + t) // across * 4 * scale + phase // 2
                left = (start + t) % across * 4 * scale + phase % 2
                pixel = top * wide + left
                if keeps:
                    to, row = (pixel - out_top * wide) * outs, wide * scale * outs
                else:
                    to = (t * 16 * scale + phase // 2 * 4) * scale * outs + phase % 2 * outs
                    row = 4 * scale * scale * outs
                for c in range(0, WIDTH, LANES):
                    transform_outputs(
                        m, t * WIDTH + c, m_gap, gain, bias, channel + c, noise, pixel * stride,
                        wide * scale * stride, scale * stride, leak, limit, out,
                        to + channel + c, row, scale * outs,
                    )  # fmt: skip
        for t in range(count if len(rgb_bias) else 0):
            top = (start + t) // across * 4 * scale
            left = (start + t) % across * 4 * scale
            for i in range(4 * scale):
                for j in range(4 * scale):
                    pixel = (top + i) * wide + left + j
                    at = pixel - out_top * wide if keeps else (t * 4 * scale + i) * 4 * scale + j
                    for color in range(len(rgb_bias)):
                        value = dot(out, at * outs, rgb, color * outs, outs // LANES)
                        value = min(max(value + rgb_bias[color], -rgb_limit), rgb_limit)
                        image[color * height * scale * wide + pixel] += value
