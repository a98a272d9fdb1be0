"""Decoding of pictures: file → upright 8-bit sRGB, or a ValueError of one sentence.

Everything that reads pictures of others does it here: photographs, collections, predictions,
captures, shards.
"""

import functools
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from .code_points import code_points
from .coded_colour import ADOBE_RGB, CodedColour
from .colour import CODE_POINTS
from .exif import is_adobe_rgb
from .pixels import opaque, upright_pixels, upright_rgb

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "AVIF", "HEIF")
"""The accepted formats; Pillow has others that start external programs. AVIF needs Pillow 11.3,
HEIF (HEIC of iPhones) the extra `heic`.
"""

MIN_SIDE = 16
MAX_PIXELS = 64_000_000


def read_photograph(source: Path | bytes, *, background: float = 1.0) -> Image.Image:
    """Decodes a photograph: upright (EXIF orientation), 8-bit sRGB, transparency composited.

    Grey, palette, 16-bit and CMYK files and those with a colour profile are converted. Size and
    kind are checked before anything is decoded.

    Args:
        source: a PNG, JPEG, WebP, BMP or still GIF file, whatever its name ends in, or its content.
        background: grey level in [0, 1] behind transparent pixels.

    Raises:
        ValueError: no such file, empty, no picture, damaged, animated, smaller than 16 pixels or
            larger than 64 megapixels; the message is one line and doesn't repeat the path.
    """
    with _opened(source) as image:
        _require_still(image)
        return upright_rgb(_loaded(image), background)


def decode_picture(source: Path | bytes) -> Image.Image:
    """Decodes a picture of a dataset: RGB, or RGBA (straight alpha) if it can be transparent.

    As `read_photograph` otherwise, but pictures may be smaller than 16 pixels.

    Args:
        source: a file, or its content.

    Raises:
        ValueError: as `read_photograph`.
    """
    with _opened(source, least=1) as image:
        _require_still(image)
        return upright_pixels(_loaded(image))


def read_mask(path: Path) -> Float[Tensor, "1 height width"]:
    """A mask: the grey levels of a picture in [0, 1], upright.

    Raises:
        ValueError: as `decode_picture`; transparent pixels; levels of 0 and 1 out of 255.
    """
    levels = np.asarray(opaque(decode_picture(path)).convert("L"))
    if levels.max() == 1:
        raise ValueError("its levels are 0 and 1 out of 255, which is black: write 0 and 255")
    return torch.from_numpy(levels.copy())[None].float() / 255


def read_animation(path: Path, *, background: float = 1.0) -> Iterator[Image.Image]:
    """The frames of an animated PNG, WebP or GIF, one by one; a still picture is its only frame.

    Raises:
        ValueError: as `read_photograph`, but animations are welcome.
    """
    with _opened(path) as image:
        for frame in range(num_frames(image)):
            with _damage_named(image):
                image.seek(frame)
            _loaded(image)
            yield upright_rgb(image.copy() if frame else image, background)


def is_animated(path: Path) -> bool:
    """Whether a file holds several frames; ValueError as `read_photograph` if it is no picture."""
    with _opened(path) as image:
        return num_frames(image) > 1


def num_frames(image: Image.Image) -> int:
    """Frames of an opened picture. An MPO has one: phones append previews and depth to a JPEG.

    Raises:
        ValueError: damaged; some formats are read to their end for it.
    """
    if image.format == "MPO":
        return 1
    with _damage_named(image):
        return int(getattr(image, "n_frames", 1))


@contextmanager
def _opened(source: Path | bytes, least: int = MIN_SIDE) -> Iterator[Image.Image]:
    """The opened picture, after its size was checked."""
    _require_content(source)
    with warnings.catch_warnings():
        # Pillow warns of large and of odd files; here they are errors or accepted
        warnings.simplefilter("ignore")
        with _open(source) as image:
            _require_size(*image.size, least)
            if (said := _code_points(source, image)) is not None:
                image.info[CODE_POINTS] = said
            yield image


def _code_points(source: Path | bytes, image: Image.Image) -> CodedColour | None:
    """By which a picture is to be read; None: by its profile, or as sRGB."""
    said = code_points(source)
    if said is not None and image.format == "PNG":
        return said
    if "icc_profile" in image.info:
        return None
    return ADOBE_RGB if said is None and is_adobe_rgb(image) else said


def _loaded(image: Image.Image) -> Image.Image:
    with _damage_named(image):
        image.load()
    return image


@contextmanager
def _damage_named(image: Image.Image) -> Iterator[None]:
    """Whatever a decoder raises becomes a ValueError that says so."""
    try:
        yield
    except Exception as error:  # each decoder has exceptions of its own for damaged data
        raise ValueError(
            f"damaged {image.format} file ({error}): export the picture again"
        ) from error


def _require_content(source: Path | bytes) -> None:
    if isinstance(source, Path) and not source.exists():
        raise ValueError("no such file: check the path")
    if isinstance(source, Path) and not source.is_file():
        raise ValueError("not a file: give a picture")
    if not (len(source) if isinstance(source, bytes) else source.stat().st_size):
        raise ValueError("an empty file (0 bytes): copy the picture again")


def _open(source: Path | bytes) -> Image.Image:
    # Pillow loads the plugins of rarer formats late, and a restricted open doesn't wait for them
    Image.init()
    register_heif()
    known = [name for name in FORMATS if name in Image.OPEN]
    try:
        return Image.open(
            io.BytesIO(source) if isinstance(source, bytes) else source, formats=known
        )
    except UnidentifiedImageError as error:
        if (advice := _missing_format(source)) is not None:
            raise ValueError(advice) from error
        raise ValueError("not a picture that can be read: use PNG, JPEG or WebP") from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"more than {MAX_PIXELS // 10**6} megapixels: make the picture smaller first"
        ) from error
    except Exception as error:  # a header that a plugin recognises and then stumbles over
        raise ValueError(f"can't be opened ({error}): use PNG, JPEG or WebP") from error


@functools.cache
def register_heif() -> None:
    """Teaches Pillow HEIC, if pillow-heif is installed."""
    try:
        import pillow_heif
    except ModuleNotFoundError:
        return
    pillow_heif.register_heif_opener()


def _missing_format(source: Path | bytes) -> str | None:
    """What to install for a HEIC or AVIF that this Pillow can't read; None for anything else."""
    if isinstance(source, bytes):
        head = source[:12]
    else:
        with source.open("rb") as file:
            head = file.read(12)
    if head[4:8] != b"ftyp":
        return None
    if head[8:12] in (b"avif", b"avis") and "AVIF" not in Image.OPEN:
        return "an AVIF: install Pillow 11.3 or newer, or save it as PNG or JPEG"
    if head[8:12] in HEIC_BRANDS and "HEIF" not in Image.OPEN:
        return "a HEIC: pip install 'trilift[heic]', or save it as PNG or JPEG"
    return None


HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def _require_still(image: Image.Image) -> None:
    if num_frames(image) > 1:
        raise ValueError(f"animated ({num_frames(image)} frames): save one of them as a picture")


def _require_size(width: int, height: int, least: int) -> None:
    if min(width, height) < least:
        raise ValueError(f"{width}x{height} pixels are too few: at least {least} a side are needed")
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1e6
        raise ValueError(
            f"{width}x{height} are {megapixels:.0f} megapixels, at most {MAX_PIXELS // 10**6} are"
            " read: make it smaller first"
        )
