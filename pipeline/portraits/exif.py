"""What a camera wrote into a photograph: its focal length, and that it is in Adobe RGB."""

import io
import math
from pathlib import Path
from typing import Any

from PIL import Image

EXIF_BLOCK = 0x8769
FOCAL_LENGTH_35MM, WIDTH, HEIGHT = 0xA405, 0xA002, 0xA003
"""Tags of EXIF 2.3 (CIPA DC-008): FocalLengthIn35mmFilm, PixelXDimension, PixelYDimension."""

INTEROPERABILITY, INDEX, COLOUR_SPACE = 0xA005, 0x0001, 0xA001
UNCALIBRATED, ADOBE_RGB_INDEX = 0xFFFF, "R03"
"""Of Adobe RGB in EXIF (DCF 2.0, option file): no number, but this index of interoperability."""

DIAGONAL_35MM = math.hypot(36, 24)

PLAUSIBLE_MM = (8, 800)

FORMATS = (4 / 3, 3 / 2, 16 / 9)
"""Longer by shorter side of what cameras write."""

TOLERANCE = 0.01


def is_adobe_rgb(image: Image.Image) -> bool:
    """Whether EXIF says that an opened picture is in Adobe RGB, as cameras do without a profile."""
    try:
        exif = image.getexif()
        block = exif.get_ifd(EXIF_BLOCK)
        index = exif.get_ifd(INTEROPERABILITY).get(INDEX, "")
    except Exception:  # a damaged block says nothing
        return False
    name = index.decode("ascii", "replace") if isinstance(index, bytes) else str(index)
    return block.get(COLOUR_SPACE) == UNCALIBRATED and name.rstrip("\0 ") == ADOBE_RGB_INDEX


def focal_length_px(source: Path | bytes) -> float | None:
    """The focal length of a photograph, pixels; None where the file doesn't say it, or may have
    been cropped since (its shape is another one than EXIF says, or no camera's).

    The equivalent to 35 mm film counts by the diagonal, 43.27 mm, as cameras give it.

    Args:
        source: a file, or its content.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            size = image.size
            block: dict[int, Any] = dict(image.getexif().get_ifd(EXIF_BLOCK))
        millimetres = float(block[FOCAL_LENGTH_35MM])
        taken = (float(block[WIDTH]), float(block[HEIGHT])) if WIDTH in block else None
    except Exception:  # no picture, no EXIF, a damaged block: nothing is known
        return None
    if not PLAUSIBLE_MM[0] <= millimetres <= PLAUSIBLE_MM[1]:
        return None
    shape = max(size) / min(size)
    shapes = FORMATS if taken is None or min(taken) <= 0 else (max(taken) / min(taken),)
    if all(abs(shape / other - 1) > TOLERANCE for other in shapes):
        return None
    return millimetres * math.hypot(*size) / DIAGONAL_35MM
