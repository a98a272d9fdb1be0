"""Smooth noise over space: value noise and its sums, by numba."""

from typing import Any, no_type_check

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

Array = np.ndarray


def noise(points: Array, seed: int) -> Array:
    """Smooth value noise in [-1, 1] `[point]` of unit wavelength, a function of place and seed."""
    return fractal(points, seed, 1)


def fractal(points: Array, seed: int, octaves: int) -> Array:
    """The sum of octaves of noise, each twice as fine and half as strong; about in [-1, 1]."""
    out = np.zeros(len(points), np.float32)
    _noise(np.ascontiguousarray(points, np.float32).ravel(), np.uint32(seed), octaves, out)
    return out


_kernel = njit(cache=True, nogil=True, error_model="numpy")


@intrinsic
def _mixed(typing: Any, x: Any, y: Any, z: Any) -> Any:
    """The finaliser of MurmurHash3 of x ^ y ^ z. In numba's own arithmetic its numbers have 64
    bits, of which a vector has half as many.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, y, z = arguments
        value = builder.xor(builder.xor(x, y), z)
        for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
            value = builder.xor(value, builder.lshr(value, ir.Constant(value.type, shift)))
            value = builder.mul(value, ir.Constant(value.type, factor))
        return value

    return types.uint32(types.uint32, types.uint32, types.uint32), generate


_X, _Y, _Z = np.uint32(0x9E3779B1), np.uint32(0x85EBCA77), np.uint32(0xC2B2AE3D)


@_kernel
@no_type_check
def _signed(x, y, z):
    """A hash in [-1, 1]."""
    return np.float32(_mixed(x, y, z)) * np.float32(2.0 / 4294967296.0) - np.float32(1)


@_kernel
@no_type_check
def lattice(x, y, z, seed):
    """A hash of a lattice point in [-1, 1]."""
    x, y, z = np.uint32(x) * _X, np.uint32(y) * _Y, np.uint32(z) * _Z
    return _signed(np.uint32(x), np.uint32(y), np.uint32(np.uint32(z) ^ seed))


@_kernel
@no_type_check
def _noise(points, seed, octaves, out):
    """Points are flat: of rows whose length isn't known LLVM makes no vectors."""
    one, two, three = np.float32(1), np.float32(2), np.float32(3)
    strength, scale = one, one
    for octave in range(octaves):
        s = np.uint32(seed + np.uint32(octave * 7919))
        for i in range(out.shape[0]):
            x, y, z = points[3 * i] * scale, points[3 * i + 1] * scale, points[3 * i + 2] * scale
            bx, by, bz = np.floor(x), np.floor(y), np.floor(z)
            fx, fy, fz = x - bx, y - by, z - bz
            ux = fx * fx * (three - two * fx)
            uy = fy * fy * (three - two * fy)
            uz = fz * fz * (three - two * fz)
            vx, vy, vz = one - ux, one - uy, one - uz
            x0 = np.uint32(np.uint32(np.int32(bx)) * _X)
            y0 = np.uint32(np.uint32(np.int32(by)) * _Y)
            z0 = np.uint32(np.uint32(np.int32(bz)) * _Z)
            x1, y1, z1 = np.uint32(x0 + _X), np.uint32(y0 + _Y), np.uint32(np.uint32(z0 + _Z) ^ s)
            z0 = np.uint32(z0 ^ s)
            value = vx * vy * vz * _signed(x0, y0, z0)
            value += ux * vy * vz * _signed(x1, y0, z0)
            value += vx * uy * vz * _signed(x0, y1, z0)
            value += ux * uy * vz * _signed(x1, y1, z0)
            value += vx * vy * uz * _signed(x0, y0, z1)
            value += ux * vy * uz * _signed(x1, y0, z1)
            value += vx * uy * uz * _signed(x0, y1, z1)
            value += ux * uy * uz * _signed(x1, y1, z1)
            out[i] += strength * value
        strength *= np.float32(0.5)
        scale *= two
