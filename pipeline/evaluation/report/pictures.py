"""The pictures of an evaluation inside its page: as large as a budget allows, the rest as
thumbnails.
"""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, features

Picture = Image.Image
Source = Callable[[], Picture]
"""Loads a picture when it is its turn."""

BUDGET = 6_000_000
"""Bytes of all pictures together; base64 makes a third more of them."""

LEVELS = ((512, 100), (512, 90), (384, 85), (256, 85), (256, 75), (192, 75), (128, 75), (96, 70))
"""Largest side and quality, from the best on; 100 is without loss."""

THUMBNAIL = (48, 65)
THUMBNAIL_SHARE = 0.2
"""Of the budget, kept for pictures that it isn't enough for."""

SAMPLED = 24
"""So many pictures are encoded to find out what all would take."""


@dataclass
class PictureBook:
    """Pictures by key, in the order of their importance; each key is loaded and encoded once.

    Args:
        budget: bytes of all of them.
    """

    budget: int = BUDGET
    sources: dict[str, Source] = field(default_factory=dict)

    def add(self, key: str, source: Source) -> str:
        """Notes a picture for later; an older one of that key stays."""
        self.sources.setdefault(key, source)
        return key

    def encoded(self) -> tuple[dict[str, str], int]:
        """Data URIs by key, and how many of them are the pictures' full set; those behind are
        thumbnails or left out.
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
            uris[key] = f"data:image/{kind_of(data)};base64,{base64.b64encode(data).decode()}"
        return uris, full

    def _level(self) -> tuple[tuple[int, int], bool]:
        """The best level at which all would fit, by a sample; the last one if none does."""
        keys = list(self.sources)
        sample = [self.sources[key]() for key in keys[:: max(1, len(keys) // SAMPLED)]]
        for level in LEVELS:
            mean = sum(len(encode(picture, *level)) for picture in sample) / len(sample)
            if mean * len(keys) < self.budget * 0.95:
                return level, True
        return LEVELS[-1], False


def encode(picture: Picture, side: int, quality: int) -> bytes:
    """WebP, or where this Pillow has none PNG and JPEG; larger pictures are made smaller."""
    picture = picture.convert("RGB")
    if max(picture.size) > side:
        picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    if features.check("webp"):
        picture.save(
            data,
            format="WEBP",
            lossless=quality == 100,
            quality=quality if quality < 100 else 30,
            method=1,
        )
    elif quality == 100:
        picture.save(data, format="PNG", optimize=True)
    else:
        picture.save(data, format="JPEG", quality=quality)
    return data.getvalue()


def kind_of(data: bytes) -> str:
    """The name of an encoding in a MIME type, from its first bytes."""
    return "webp" if data[:4] == b"RIFF" else "png" if data[:4] == b"\x89PNG" else "jpeg"


def opened(path: Path) -> Picture:
    """A picture of the folder.

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
