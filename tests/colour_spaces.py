"""Colour profiles of other spaces, made from their primaries, and the same colours in them."""

import struct

import numpy as np

SRGB = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
DISPLAY_P3 = ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE_RGB = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
BT2020 = ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046))
"""Chromaticities of red, green and blue; white is D65 everywhere."""

D65 = np.array([0.3127 / 0.329, 1.0, (1 - 0.3127 - 0.329) / 0.329])
D50 = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def to_xyz(primaries) -> np.ndarray:
    """Linear RGB → XYZ under D65."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in primaries]).T
    return columns * np.linalg.solve(columns, D65)


def linear(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] → linear."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def in_primaries(srgb: np.ndarray, primaries) -> np.ndarray:
    """8-bit sRGB → linear RGB of other primaries."""
    return linear(srgb / 255) @ (np.linalg.solve(to_xyz(primaries), to_xyz(SRGB))).T


def encoded(srgb: np.ndarray, primaries, gamma: float) -> np.ndarray:
    """8-bit sRGB → the same colours in a space of other primaries and a pure power."""
    return (in_primaries(srgb, primaries).clip(0, 1) ** (1 / gamma) * 255).round().astype(np.uint8)


def profile(primaries, gamma: float) -> bytes:
    """An ICC profile (version 2, matrix and power) of an RGB space."""
    adapted = np.linalg.inv(BRADFORD) @ np.diag((BRADFORD @ D50) / (BRADFORD @ D65)) @ BRADFORD
    columns = (adapted @ to_xyz(primaries)).T
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    text = b"a test's\0"
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, len(text)) + text + bytes(79),
        b"wtpt": _xyz(D50),
        **{
            name: _xyz(column)
            for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
        },
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    return _file(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    """An ICC profile of grey levels with a power."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256)) + b"\0\0"
    return _file(b"GRAY", {b"wtpt": _xyz(D50), b"kTRC": curve})


def _xyz(values: np.ndarray) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def _file(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    offset, table, content = 128 + 4 + 12 * len(tags), b"", b""
    for name, value in tags.items():
        table += name + struct.pack(">II", offset + len(content), len(value))
        content += value + bytes(-len(value) % 4)
    size = offset + len(content)
    header = struct.pack(">I4sI4s4s4s", size, bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", *(round(v * 65536) for v in D50))
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + content
