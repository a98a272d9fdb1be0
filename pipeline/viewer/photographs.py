"""The photographs that a page holds: a bounded strip of them, each with its crop."""

import hashlib
import io
import itertools
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.portraits.crop import Crop
from pipeline.portraits.exif import focal_length_px
from pipeline.portraits.face import Picture
from pipeline.portraits.framing import Framed, Framing
from pipeline.portraits.hooks.chain import Cut, Hooks
from pipeline.portraits.photograph import read_photograph

LONGEST_SIDE = 2048
"""Larger photographs are reduced: a crop of a face has more pixels than any student takes."""

LARGEST_CROP = 4.0
"""Of a crop made by hand, in longer sides of its photograph."""


@dataclass
class Photograph:
    """One photograph on the page.

    Attributes:
        number: its name in addresses.
        name: of the file, for people.
        sha256: of the file.
        image: upright 8-bit RGB, at most `LONGEST_SIDE` a side.
        framed: the square that is lifted.
        hooks: edit it before.
        lifted: by contender; emptied when the square changes.
        failed: contender → why it could not lift this square.
    """

    number: int
    name: str
    sha256: str
    image: Image.Image
    framed: Framed
    hooks: Hooks = field(default_factory=Hooks)
    lifted: dict[str, LiftedPortrait] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def cut(self, resolution: int) -> Cut:
        """The square, edited.

        Raises:
            ValueError: as `Hooks.cut`.
        """
        return self.hooks.cut(self.framed, self.image, resolution)

    def record(self) -> dict[str, Any]:
        """For the page."""
        crop, pose = self.framed.crop, self.framed.pose
        return {
            "number": self.number,
            "name": self.name,
            "width": self.image.width,
            "height": self.image.height,
            "crop": {
                "left": crop.left,
                "top": crop.top,
                "size": crop.size,
                "roll_deg": crop.roll_deg,
            },
            "note": self.framed.note,
            "face_found": self.framed.face_found,
            "yaw_deg": None if pose is None else round(pose.yaw_deg, 1),
            "pitch_deg": None if pose is None else round(pose.pitch_deg, 1),
        }


class Photographs:
    """The newest photographs; older ones leave when there are too many.

    Args:
        framing: finds the square of a photograph.
        most: how many are held.
        background: grey level in [0, 1] behind transparent pixels.
        hooks: edit each square before it is lifted.

    Raises:
        ValueError: `most` below 1.
    """

    def __init__(
        self, framing: Framing, *, most: int, background: float, hooks: Hooks | None = None
    ) -> None:
        if most < 1:
            raise ValueError(f"most is {most}: the page holds at least one photograph")
        self.framing, self.most, self.background = framing, most, background
        self.hooks = hooks or Hooks()
        self._held: OrderedDict[int, Photograph] = OrderedDict()
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Photograph]:
        return iter(list(self._held.values()))

    def __getitem__(self, number: int) -> Photograph:
        """KeyError if it isn't held (any more)."""
        return self._held[number]

    def add(self, content: bytes, name: str) -> Photograph:
        """Decodes a file and finds the face in it.

        Raises:
            ValueError: it is no picture that `read_photograph` reads; one sentence.
        """
        image = read_photograph(content, background=self.background)
        picture = Picture(image, Path(name), focal_px=focal_length_px(content))
        # landmarks of files and the focal length count in pixels of the whole photograph
        framed, size = self.framing.frame(picture)[0], image.size
        image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
        framed = framed.resized(size, image.size)
        digest = hashlib.sha256(content).hexdigest()
        photograph = Photograph(next(self._numbers), name, digest, image, framed, self.hooks)
        self._held[photograph.number] = photograph
        while len(self._held) > self.most:
            self._held.popitem(last=False)
        return photograph

    def remove(self, number: int) -> None:
        """KeyError if it isn't held."""
        del self._held[number]

    def reframe(self, number: int, crop: Crop) -> Photograph:
        """The same photograph with a square made by hand.

        Raises:
            KeyError: it isn't held.
            ValueError: the square is larger than `LARGEST_CROP`, or misses the photograph.
        """
        old = self._held[number]
        width, height = old.image.size
        if not 16 <= crop.size <= LARGEST_CROP * max(width, height):
            raise ValueError(
                f"a crop of {crop.size:g} pixels came: give 16 to"
                f" {LARGEST_CROP * max(width, height):g}"
            )
        if crop.outside(width, height) > 0.95:
            raise ValueError("the crop lies outside the photograph: move it back")
        framed = Framed(crop, note="crop made by hand", may_reach_outside=True)
        self._held[number] = replace(old, framed=framed, lifted={}, failed={})
        return self._held[number]


def jpeg(image: Image.Image, *, longest_side: int, quality: int = 88) -> bytes:
    """A reduced copy for the page, without metadata."""
    small = image.copy()
    small.thumbnail((longest_side, longest_side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()
