"""Decoding of one photograph: file → upright 8-bit RGB, or a ValueError of one sentence."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
"""The accepted formats; Pillow has others that start external programs."""

MIN_SIDE = 16
MAX_PIXELS = 64_000_000


def read_photograph(path: Path, *, background: float = 1.0) -> Image.Image:
    """Decodes a photograph: upright (EXIF orientation), 8-bit RGB, transparency composited.

    Grey, palette, 16-bit and CMYK files are converted. Size and kind are checked before anything is
    decoded.

    Args:
        path: a PNG, JPEG, WebP, BMP or still GIF file, whatever its name ends in.
        background: grey level in [0, 1] behind transparent pixels.

    Raises:
        ValueError: no such file, empty, no picture, damaged, animated, smaller than 16 pixels or
            larger than 64 megapixels; the message is one line and doesn't repeat the path.
    """
    with _opened(path) as image:
        _require_still(image)
        return _decoded(image, background)


def read_animation(path: Path, *, background: float = 1.0) -> Iterator[Image.Image]:
    """The frames of an animated PNG, WebP or GIF, one by one; a still picture is its only frame.

    Raises:
        ValueError: as `read_photograph`, but animations are welcome.
    """
    with _opened(path) as image:
        for frame in range(num_frames(image)):
            image.seek(frame)
            yield _decoded(image.copy() if frame else image, background)


def is_animated(path: Path) -> bool:
    """Whether a file holds several frames; ValueError as `read_photograph` if it is no picture."""
    with _opened(path) as image:
        return num_frames(image) > 1


def num_frames(image: Image.Image) -> int:
    """Frames of an opened picture. An MPO has one: phones append previews and depth to a JPEG."""
    return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The opened picture, after its size was checked."""
    _require_content(path)
    with warnings.catch_warnings():
        # Pillow warns of large and of odd files; here they are errors or accepted
        warnings.simplefilter("ignore")
        with _open(path) as image:
            _require_size(*image.size)
            yield image


def _decoded(image: Image.Image, background: float) -> Image.Image:
    try:
        image.load()
    except Exception as error:  # each decoder has exceptions of its own for damaged data
        raise ValueError(
            f"damaged {image.format} file ({error}): export the picture again"
        ) from error
    return upright_rgb(image, background)


def _require_content(path: Path) -> None:
    if not path.exists():
        raise ValueError("no such file: check the path")
    if not path.is_file():
        raise ValueError("not a file: give a picture")
    if path.stat().st_size == 0:
        raise ValueError("an empty file (0 bytes): copy the picture again")


def _open(path: Path) -> Image.Image:
    # Pillow loads the plugins of rarer formats late, and a restricted open doesn't wait for them
    Image.init()
    try:
        return Image.open(path, formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ValueError("not a picture that can be read: use PNG, JPEG or WebP") from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"more than {MAX_PIXELS // 10**6} megapixels: make the picture smaller first"
        ) from error
    except Exception as error:  # a header that a plugin recognises and then stumbles over
        raise ValueError(f"can't be opened ({error}): use PNG, JPEG or WebP") from error


def _require_still(image: Image.Image) -> None:
    if num_frames(image) > 1:
        raise ValueError(f"animated ({num_frames(image)} frames): save one of them as a picture")


def _require_size(width: int, height: int) -> None:
    if min(width, height) < MIN_SIDE:
        raise ValueError(
            f"{width}x{height} pixels are too few: at least {MIN_SIDE} a side are needed"
        )
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1e6
        raise ValueError(
            f"{width}x{height} are {megapixels:.0f} megapixels, at most {MAX_PIXELS // 10**6} are"
            " read: make it smaller first"
        )


def upright_rgb(image: Image.Image, background: float = 1.0) -> Image.Image:
    """A decoded picture of any mode as upright 8-bit RGB: turned as its EXIF orientation says,
    transparency composited over a grey level in [0, 1].
    """
    image = _upright(image)
    if image.mode.startswith("I"):  # 16-bit grey
        return Image.fromarray(
            (np.asarray(image, dtype=np.float64) / 257).round().clip(0, 255).astype(np.uint8)
        ).convert("RGB")
    if not image.has_transparency_data:
        return image.convert("RGB")
    level = round(background * 255)
    canvas = Image.new("RGBA", image.size, (level, level, level, 255))
    return Image.alpha_composite(canvas, image.convert("RGBA")).convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; as it is where the EXIF block is damaged."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block is no reason to refuse good pixels
        return image
