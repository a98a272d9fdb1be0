"""Niantic's .spz: Gaussian splats in a sixth of a PLY's bytes (https://github.com/nianticlabs/spz).

Version 2, which every reader has: version 3 stores turns more finely than discs need.
"""

import gzip
import math
import struct
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from pipeline.runs.files import write_bytes

from .splats import SH_DEGREE_0, Splats, turns_to

MAGIC, VERSION = 0x5053474E, 2

MOST_FRACTIONAL_BITS = 16
"""Of a coordinate's 24 bits: 15 µm, for heads of less than 128 m."""

COLOR_SCALE = 0.15
"""Of coefficients of spherical harmonics: 255 levels hold ±3.3."""


def write_spz(path: Path, splats: Splats) -> None:
    """Writes positions, opacities, colours, scales and turns, in metres, y up, the face along +z.

    Raises:
        ValueError: the head is larger than 24 bits of metres hold.
    """
    metres = splats.metres_per_unit
    centers = splats.centers.astype(np.float64) * metres
    largest = float(np.abs(centers).max(initial=1e-9))
    bits = min(MOST_FRACTIONAL_BITS, math.floor(math.log2((2**23 - 1) / largest)))
    if bits < 0:
        raise ValueError(f"a head of {largest:.0f} m doesn't fit into .spz: give metres_per_unit")
    fixed = np.round(centers * 2**bits).astype("<i4")
    # a disc has two normals; with the one along +z w is at least √½, and follows from 8 bits of
    # x, y, z: near 0 it would be wrong by 10 degrees
    quaternions = turns_to(np.where(splats.normals[:, 2:] < 0, -splats.normals, splats.normals))
    scales = np.stack([splats.radius, splats.radius, splats.thickness], 1) * metres
    columns = [
        fixed.view(np.uint8).reshape(-1, 3, 4)[:, :, :3],  # little endian: the lower 24 bits
        _byte(splats.opacity * 255),
        _byte(((splats.colors - 0.5) / SH_DEGREE_0 * COLOR_SCALE + 0.5) * 255),
        _byte((np.log(scales) + 10) * 16),
        _byte((quaternions[:, 1:] + 1) * 127.5),
    ]
    header = struct.pack("<IIIBBBB", MAGIC, VERSION, len(centers), 0, bits, 0, 0)
    content = header + b"".join(column.tobytes() for column in columns)
    write_bytes(path, gzip.compress(content, mtime=0))


def _byte(values: Float[np.ndarray, "..."]) -> UInt8[np.ndarray, "..."]:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
