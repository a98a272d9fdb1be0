"""Lengths, directions and products of vectors `[… 3]`, in numpy's order of operations, bit for bit:
along so short an axis numpy itself takes ten times as long.
"""

from typing import no_type_check

import numpy as np
from numba import njit

Array = np.ndarray


def lengths(vectors: Array) -> Array:
    """`[…]`, as `np.linalg.norm(vectors, axis=-1)`."""
    out = np.empty(vectors.shape[:-1], vectors.dtype)
    _lengths(vectors.reshape(-1, 3), out.reshape(-1))
    return out


def unit(vectors: Array, least: float = 0.0) -> Array:
    """`vectors / (lengths + least)`."""
    out = np.empty(vectors.shape, vectors.dtype)
    _units(vectors.reshape(-1, 3), vectors.dtype.type(least), out.reshape(-1, 3))
    return out


def dots(a: Array, b: Array) -> Array:
    """`[… 1]`: the scalar products of vectors of the same shape."""
    out = np.empty((*a.shape[:-1], 1), np.result_type(a, b))
    _dots(a.reshape(-1, 3), b.reshape(-1, 3), out.reshape(-1))
    return out


def crossed(a: Array, b: Array) -> Array:
    """The vector products; `b` has the shape of `a` or is one vector `[3]`."""
    out = np.empty(a.shape, np.result_type(a, b))
    _crossed(a.reshape(-1, 3), b.reshape(-1, 3), out.reshape(-1, 3))
    return out


_kernel = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
@no_type_check
def _lengths(vectors, out):
    for i in range(out.shape[0]):
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        out[i] = np.sqrt(x * x + y * y + z * z)


@_kernel
@no_type_check
def _units(vectors, least, out):
    for i in range(out.shape[0]):
        x, y, z = vectors[i, 0], vectors[i, 1], vectors[i, 2]
        length = np.sqrt(x * x + y * y + z * z) + least
        out[i, 0], out[i, 1], out[i, 2] = x / length, y / length, z / length


@_kernel
@no_type_check
def _dots(a, b, out):
    for i in range(out.shape[0]):
        out[i] = a[i, 0] * b[i, 0] + a[i, 1] * b[i, 1] + a[i, 2] * b[i, 2]


@_kernel
@no_type_check
def _crossed(a, b, out):
    for i in range(out.shape[0]):
        j = i if len(b) > 1 else 0
        out[i, 0] = a[i, 1] * b[j, 2] - a[i, 2] * b[j, 1]
        out[i, 1] = a[i, 2] * b[j, 0] - a[i, 0] * b[j, 2]
        out[i, 2] = a[i, 0] * b[j, 1] - a[i, 1] * b[j, 0]
