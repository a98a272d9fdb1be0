"""Colours described by code points (ITU-T H.273), as in films, HEIC, AVIF and PNG → sRGB.

High dynamic range (HLG, PQ) follows ITU-R BT.2100: the signal becomes light on a display of
1000 cd/m², the light is divided by that of reference white, 203 cd/m² (ITU-R BT.2408), and wide
primaries become sRGB's. What is brighter or more colourful than sRGB is clipped: everything below
reference white, as faces are, looks as on that display, where a curve for the highlights (BT.2390)
would darken it. Other transfer characteristics are taken for sRGB's, as in browsers: only the
primaries are converted.
"""

import functools
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8, UInt16

HIGH_RANGE = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273, table 3."""

PEAK, REFERENCE_WHITE = 1000.0, 203.0
"""cd/m²: of HLG's display, and of diffuse white."""

D65 = (0.3127, 0.3290)
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_BT2020 = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_ADOBE = ((0.640, 0.330), (0.210, 0.710), (0.150, 0.060))
PRIMARIES = {1: _BT709, 2: _BT2020, 9: _BT2020, 12: _P3, 256: _ADOBE}
"""Chromaticities of red, green and blue by the number in ITU-T H.273, table 2; 2 is "unspecified":
BT.2100 has one set of primaries. White is D65. Adobe RGB (1998) has no number there: 256 is ours.
"""

LUMA = {1: (0.2126, 0.0722), 2: (0.2627, 0.0593), 5: (0.299, 0.114), 6: (0.299, 0.114)}
LUMA[9] = LUMA[2]
"""Weights of red and blue in luma by the matrix's number in ITU-T H.273, table 4."""

BINS = 65535


@dataclass(frozen=True)
class CodedColour:
    """Code points of ITU-T H.273: primaries (table 2) and transfer characteristics (table 3)."""

    primaries: int
    transfer: int

    @property
    def is_srgb(self) -> bool:
        """Whether levels are taken as they are."""
        return self.transfer not in HIGH_RANGE and self.primaries not in (9, 12, 256)

    @property
    def note(self) -> str:
        """What to tell whoever gave such a picture; empty for standard range."""
        kind = HIGH_RANGE.get(self.transfer)
        return (
            ""
            if kind is None
            else f"converted from {kind} to sRGB: reference white is 203 cd/m², highlights clipped"
        )


ADOBE_RGB = CodedColour(256, 256)


def rgb_signal(
    codes: UInt16[np.ndarray, "height width 3"], *, bits: int, matrix: int, is_full_range: bool
) -> Float[np.ndarray, "height width 3"]:
    """R'G'B' in [0, 1] from Y'CbCr codes of some bits (ITU-T H.273, section 8.3).

    Raises:
        ValueError: the matrix isn't one of a luma with fixed weights.
    """
    if matrix not in LUMA:
        raise ValueError(
            f"its colours are coded with matrix {matrix} of ITU-T H.273: those of BT.601, BT.709"
            " and BT.2020 (non-constant luminance) are read; export it so"
        )
    red, blue = (np.float32(weight) for weight in LUMA[matrix])
    unit, most = np.float32(2 ** (bits - 8)), np.float32(2**bits - 1)
    values = codes.astype(np.float32)
    luma, chroma = values[..., 0], values[..., 1:] - 128 * unit
    if is_full_range:
        luma, chroma = luma / most, chroma / most
    else:
        luma, chroma = (luma - 16 * unit) / (219 * unit), chroma / (224 * unit)
    r = luma + 2 * (1 - red) * chroma[..., 1]
    b = luma + 2 * (1 - blue) * chroma[..., 0]
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.stack([r, g, b], -1).clip(0, 1)


def to_srgb(
    signal: Float[np.ndarray, "height width 3"], colour: CodedColour
) -> UInt8[np.ndarray, "height width 3"]:
    """8-bit sRGB of an R'G'B' signal in [0, 1].

    Args:
        signal: of any bit depth, scaled.
        colour: of the signal.

    Raises:
        ValueError: primaries other than BT.709's, BT.2020's and P3's.
    """
    if colour.primaries not in PRIMARIES:
        raise ValueError(
            f"colours with primaries {colour.primaries} of ITU-T H.273: BT.709,"
            " BT.2020 and P3 (D65) are read; export it so"
        )
    light = _looked_up(_light_table(colour.transfer), signal)
    if colour.transfer == 18:  # system gamma 1.2 on the luminance (BT.2100, table 5: the OOTF)
        luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
        light = light * (np.maximum(luminance, 1e-9) ** np.float32(0.2))[..., None] * PEAK
    if colour.transfer in HIGH_RANGE:
        light = light / np.float32(REFERENCE_WHITE)
    to_709 = np.linalg.solve(_to_xyz(_BT709), _to_xyz(PRIMARIES[colour.primaries]))
    shown = light @ to_709.T.astype(np.float32)
    return _looked_up(_srgb_table(), shown.clip(0, 1))


def _looked_up(table: np.ndarray, values: np.ndarray) -> np.ndarray:
    return table[(values * BINS + 0.5).astype(np.uint16)]


@functools.cache
def _light_table(transfer: int) -> Float[np.ndarray, " bin"]:
    """PQ: light of the display in cd/m² (BT.2100, table 4: the EOTF). HLG: of the scene, in [0, 1]
    (table 5: the inverse OETF). Others: of the display, in [0, 1] (Adobe RGB, 4.3.1.2; IEC
    61966-2-1).
    """
    signal = np.arange(BINS + 1) / BINS
    if transfer == 16:
        root = signal ** (32 / 2523)
        below = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
        return (10000 * below ** (8192 / 1305)).astype(np.float32)
    if transfer == ADOBE_RGB.transfer:
        return (signal ** (563 / 256)).astype(np.float32)
    if transfer != 18:
        return np.where(
            signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4
        ).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12).astype(
        np.float32
    )


@functools.cache
def _srgb_table() -> UInt8[np.ndarray, " bin"]:
    """Linear light → 8-bit sRGB (IEC 61966-2-1)."""
    light = np.arange(BINS + 1) / BINS
    encoded = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return (encoded * 255).round().astype(np.uint8)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> Float[np.ndarray, "3 3"]:
    """Linear RGB with white D65 → XYZ."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in (*primaries, D65)]).T
    return columns[:, :3] * np.linalg.solve(columns[:, :3], columns[:, 3])
