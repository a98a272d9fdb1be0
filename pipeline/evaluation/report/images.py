"""The images inside a page: as large as a budget allows, the rest as thumbnails."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

Picture = Image.Image
Source = Callable[[], Picture]
"""Loads an image when it is encoded."""

BUDGET = 6_000_000
"""Bytes of all images together; base64 adds a third."""

LEVELS = ((512, 100), (512, 90), (384, 85), (256, 85), (256, 75), (192, 75), (128, 75), (96, 70))
"""Largest side and WebP quality, best first; 100 is lossless."""

THUMBNAIL = (48, 65)
THUMBNAIL_SHARE = 0.2
"""Of the budget, kept for images that don't fit at the lowest level."""

SAMPLED = 24
"""Images that are encoded to estimate the size of all."""


@dataclass
class ImageBook:
    """Images by key, the most important first; each key is loaded and encoded once.

    Args:
        budget: bytes of all of them.
    """

    budget: int = BUDGET
    sources: dict[str, Source] = field(default_factory=dict)

    def encoded(self) -> tuple[dict[str, str], int]:
        """Data URIs by key, and how many of them are full images; the others are thumbnails.

        Images beyond the budget are left out.
        """
        if not self.sources:
            return {}, 0
        level, fits = self._level()
        uris: dict[str, str] = {}
        spent, full = 0, 0
        limit = self.budget if fits else round(self.budget * (1 - THUMBNAIL_SHARE))
        for key, source in self.sources.items():
            data = encode(source(), *level) if spent < limit else encode(source(), *THUMBNAIL)
            if spent + len(data) > self.budget:
                break
            full += spent < limit
            spent += len(data)
            uris[key] = data_uri(data)
        return uris, full

    def _level(self) -> tuple[tuple[int, int], bool]:
        """The best level at which all fit, estimated from a sample; the last if none does."""
        keys = list(self.sources)
        sample = [self.sources[key]() for key in keys[:: max(1, len(keys) // SAMPLED)]]
        for level in LEVELS:
            mean = sum(len(encode(picture, *level)) for picture in sample) / len(sample)
            if mean * len(keys) < self.budget * 0.95:
                return level, True
        return LEVELS[-1], False


def encode(picture: Picture, side: int, quality: int) -> bytes:
    """An image as WebP, reduced to `side` pixels; quality 100 is lossless."""
    picture = picture.convert("RGB")
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    # For lossless images WebP's quality is the effort of the compression.
    is_lossless = quality == 100
    data = io.BytesIO()
    picture.save(
        data, "WEBP", lossless=is_lossless, quality=30 if is_lossless else quality, method=1
    )
    return data.getvalue()


def data_uri(webp: bytes) -> str:
    """An encoded image for the `src` of an HTML element."""
    return f"data:image/webp;base64,{base64.b64encode(webp).decode()}"


def opened(path: Path) -> Picture:
    """An image file.

    Raises:
        ValueError: it can't be read.
    """
    try:
        with Image.open(path) as picture:
            return picture.convert("RGB")
    except OSError as error:
        raise ValueError(
            f"{path} can't be shown ({error}): evaluate again, or remove it and write the report"
            " again"
        ) from error
