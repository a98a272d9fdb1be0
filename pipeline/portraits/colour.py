"""Embedded colour profiles (ICC) and code points: pixels of any colour space → sRGB, in which
everything here is.

Phones write Display P3, cameras Adobe RGB, print shops CMYK. Read as sRGB, such pictures are off by
about ten levels.
"""

import functools
import io

import numpy as np
from PIL import Image, ImageCms

from . import coded_colour
from .code_points import code_points_of_profile
from .coded_colour import CodedColour

NOTE = "converted"
"""Key in the `info` of a picture for a sentence about how its levels were converted."""

CODE_POINTS = "code_points"
"""Key in the `info` of an opened picture for the `CodedColour` by which it is to be read."""

ROUNDING = 2
"""Levels by which a profile may differ from sRGB and still be taken for it: the many profiles that
call themselves sRGB differ by their tables' rounding, and their pixels stay as they are.
"""

SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour space in the header of a profile (ICC.1:2022, 7.2.6) → Pillow's mode."""


def to_srgb(image: Image.Image) -> Image.Image:
    """8-bit grey, RGB or CMYK without transparency → RGB in sRGB, by what its `info` says: code
    points of PNG go before the profile, those of HEIC and AVIF after it.

    A picture without a profile is taken to be sRGB; so is one whose profile is damaged or of
    another colour space than its pixels, as in browsers.

    Raises:
        ValueError: code points with unusual primaries.
    """
    coded = _coded(image)
    if coded is not None and coded.is_srgb:
        return image.convert("RGB")
    if coded is not None:
        signal = np.asarray(image.convert("RGB"), np.float32) / 255
        converted = Image.fromarray(coded_colour.to_srgb(signal, coded))
        if coded.note:
            converted.info[NOTE] = coded.note
        return converted
    transform = _transform(image.info.get("icc_profile") or b"")
    if transform is None or not _fits(image.mode, transform.input_mode):
        return image.convert("RGB")
    converted = transform.apply(image.convert(transform.input_mode))
    del converted.info["icc_profile"]  # of sRGB: who converts again has nothing to do
    return converted


def _coded(image: Image.Image) -> CodedColour | None:
    """The code points that describe a picture; None where its profile does."""
    if (said := image.info.get(CODE_POINTS)) is not None:
        return said
    of_profile = code_points_of_profile(image.info.get("icc_profile") or b"")
    return of_profile if of_profile and of_profile.transfer in coded_colour.HIGH_RANGE else None


def _fits(mode: str, wanted: str) -> bool:
    """Whether pixels of a mode may have a profile of a colour space: grey is RGB, too."""
    return mode == wanted or (mode == "L" and wanted == "RGB")


@functools.lru_cache(maxsize=16)
def _transform(profile: bytes) -> ImageCms.ImageCmsTransform | None:
    """From a profile to sRGB; None: there is no profile, none that can be read, or it is sRGB."""
    try:
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = SPACES[given.profile.xcolor_space]
        transform = ImageCms.ImageCmsTransform(
            given,
            ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")),
            mode,
            "RGB",
            intent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        return None if mode != "CMYK" and _is_nearly_none(transform) else transform
    except (KeyError, OSError, TypeError, ValueError, ImageCms.PyCMSError):
        return None


def _is_nearly_none(transform: ImageCms.ImageCmsTransform) -> bool:
    levels = np.linspace(0, 255, 18).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(18, -1, 3)
    image = Image.fromarray(grid).convert(transform.input_mode)
    found = np.asarray(transform.apply(image), dtype=int)
    return bool(np.abs(found - np.asarray(image.convert("RGB"), dtype=int)).max() <= ROUNDING)
