"""Smooth noise over space: value noise and its sums, by numba."""

from typing import no_type_check

import numpy as np
from numba import njit

Array = np.ndarray


def noise(points: Array, seed: int) -> Array:
    """Smooth value noise in [-1, 1] `[point]` of unit wavelength, a function of place and seed."""
    out = np.empty(len(points), np.float32)
    _noise(np.ascontiguousarray(points, np.float32), np.uint32(seed), 1, out)
    return out


def fractal(points: Array, seed: int, octaves: int) -> Array:
    """The sum of octaves of noise, each twice as fine and half as strong; about in [-1, 1]."""
    out = np.empty(len(points), np.float32)
    _noise(np.ascontiguousarray(points, np.float32), np.uint32(seed), octaves, out)
    return out


_kernel = njit(cache=True, nogil=True, error_model="numpy")


@_kernel
@no_type_check
def lattice(x, y, z, seed):
    """A hash of a lattice point in [-1, 1] (the finaliser of MurmurHash3)."""
    h = np.uint32(x) * np.uint32(0x9E3779B1)
    h = np.uint32(h ^ np.uint32(np.uint32(y) * np.uint32(0x85EBCA77)))
    h = np.uint32(h ^ np.uint32(np.uint32(z) * np.uint32(0xC2B2AE3D)))
    h = np.uint32(h ^ seed)
    h = np.uint32(h ^ (h >> np.uint32(16)))
    h = np.uint32(h * np.uint32(0x85EBCA6B))
    h = np.uint32(h ^ (h >> np.uint32(13)))
    h = np.uint32(h * np.uint32(0xC2B2AE35))
    h = np.uint32(h ^ (h >> np.uint32(16)))
    return np.float32(h) * np.float32(2.0 / 4294967296.0) - np.float32(1)


@_kernel
@no_type_check
def _noise(points, seed, octaves, out):
    for i in range(points.shape[0]):
        total, strength, scale = np.float32(0), np.float32(1), np.float32(1)
        for octave in range(octaves):
            x, y, z = points[i, 0] * scale, points[i, 1] * scale, points[i, 2] * scale
            bx, by, bz = np.floor(x), np.floor(y), np.floor(z)
            fx, fy, fz = x - bx, y - by, z - bz
            ux = fx * fx * (np.float32(3) - np.float32(2) * fx)
            uy = fy * fy * (np.float32(3) - np.float32(2) * fy)
            uz = fz * fz * (np.float32(3) - np.float32(2) * fz)
            ix, iy, iz = np.int64(bx), np.int64(by), np.int64(bz)
            s = np.uint32(seed + np.uint32(octave * 7919))
            value = np.float32(0)
            for c in range(8):
                dx, dy, dz = c & 1, (c >> 1) & 1, c >> 2
                weight = (
                    (ux if dx else np.float32(1) - ux)
                    * (uy if dy else np.float32(1) - uy)
                    * (uz if dz else np.float32(1) - uz)
                )
                value += weight * lattice(ix + dx, iy + dy, iz + dz, s)
            total += strength * value
            strength *= np.float32(0.5)
            scale *= np.float32(2)
        out[i] = total
