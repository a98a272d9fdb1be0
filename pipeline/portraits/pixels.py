"""The pixels of an opened picture of any kind: upright, 8 bits, sRGB."""

import numpy as np
from PIL import Image, ImageOps

from .colour import NOTE, to_srgb


def upright_pixels(image: Image.Image) -> Image.Image:
    """A picture as its maker saw it: RGB, or RGBA (straight alpha) if it can be transparent.

    It is turned as its EXIF orientation says, 16 bits are scaled to 8, and the colours of an
    embedded profile are converted to sRGB.
    """
    image = _upright(image)
    if image.mode.startswith("I"):
        image = _of_16_bits(image)
    if not image.has_transparency_data:
        return to_srgb(_of_palette(image))
    alpha = image.convert("RGBA").getchannel("A")
    colours = to_srgb(image.convert("L" if image.mode in ("L", "LA") else "RGB"))
    colours.putalpha(alpha)
    return colours


def upright_rgb(image: Image.Image, background: float = 1.0) -> Image.Image:
    """As `upright_pixels`, transparency composited over a grey level in [0, 1]."""
    return over(upright_pixels(image), background)


def over(image: Image.Image, background: float) -> Image.Image:
    """RGB or RGBA composited over a grey level in [0, 1]."""
    if image.mode == "RGB":
        return image
    level = round(background * 255)
    canvas = Image.new("RGBA", image.size, (level, level, level, 255))
    composited = Image.alpha_composite(canvas, image).convert("RGB")
    if NOTE in image.info:
        composited.info[NOTE] = image.info[NOTE]
    return composited


def opaque(image: Image.Image) -> Image.Image:
    """The RGB of an RGB or RGBA picture whose background isn't known.

    Raises:
        ValueError: pixels are transparent.
    """
    if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
        raise ValueError(
            "some pixels are transparent, and what is behind them isn't known: composite the"
            " picture over its background"
        )
    return image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as its EXIF orientation says; as it is where the EXIF block is damaged."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block is no reason to refuse good pixels
        return image


def _of_16_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as 8; the level that a PNG calls transparent becomes an alpha channel."""
    values = np.asarray(image, dtype=np.int64)
    levels = (values / 257).round().clip(0, 255).astype(np.uint8)
    grey = Image.fromarray(levels)
    if isinstance(hidden := image.info.get("transparency"), int):
        grey.putalpha(Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8)))
    if "icc_profile" in image.info:
        grey.info["icc_profile"] = image.info["icc_profile"]
    return grey


def _of_palette(image: Image.Image) -> Image.Image:
    """A palette's colours, or one bit's, as RGB or grey; other pictures as they are."""
    modes = {"P": "RGB", "1": "L"}
    return image.convert(modes[image.mode]) if image.mode in modes else image
