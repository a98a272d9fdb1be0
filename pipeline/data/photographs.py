"""Photographs with cameras: EG3D-style collections as a torch Dataset.

A collection is a folder or a zip with pictures and `dataset.json`:

    {"labels": [[file name, [25 numbers]], ...]}

The numbers are the OpenCV camera-to-world matrix and the normalised intrinsics (`Camera.label`).
Pictures are square, RGB or RGBA, and of one size. RGBA pictures are returned with premultiplied
colours: colour + (1 - alpha) · background composites them. Files with straight alpha, as PNG
defines it, are premultiplied on reading, unless `dataset.json` has "alpha": "premultiplied".
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.portraits.photograph import decode_picture
from pipeline.worlds.dataset_zip import write_dataset
from teachers.rendering.camera import Camera

from .archive import Archive
from .labels import BadDataset, check_labels

__all__ = ["BadDataset", "Photograph", "Photographs", "validate_photographs", "write_dataset"]

logger = logging.getLogger(__name__)

MEMORY_LIMIT = 2 * 2**30
"""Bytes of decoded pictures up to which a collection is held in memory."""


@dataclass(frozen=True)
class Photograph:
    """One picture with its camera.

    Attributes:
        pixels: RGB or premultiplied RGBA, 0 to 255.
        camera: the camera that took it (a batch of one).
    """

    pixels: UInt8[Tensor, "channel height width"]
    camera: Camera

    def image(self, background: float = 1.0) -> Float[Tensor, "3 height width"]:
        """RGB in [-1, 1], composited over a grey value in [0, 1] where it is transparent."""
        values = self.pixels.float() / 255
        color = values[:3] + (1 - values[3:]) * background if len(values) == 4 else values
        return color * 2 - 1

    def mirrored(self) -> "Photograph":
        """The mirror image, with the camera that takes it of the mirrored world."""
        return Photograph(self.pixels.flip(-1), self.camera.mirrored())


class Photographs(Dataset[Photograph]):
    """Random access to a collection.

    Args:
        path: folder or zip.
        mirror: append the mirror image of every photograph, as the second half of the indices.
        memory_limit: bytes up to which all decoded pictures are held in memory; larger collections
            are decoded on access.
        limit: number of photographs to use, from the first; None: all.

    Attributes:
        labels: `[photograph 25]`, without mirror images.
        resolution: side of the pictures.
        channels: 3 or 4.

    Raises:
        BadDataset: the collection is unusable; the message gives the first reason. Pictures after
            the first are checked on access; `validate_photographs` checks all.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        mirror: bool = False,
        memory_limit: int = MEMORY_LIMIT,
        limit: int | None = None,
    ) -> None:
        self._archive = Archive(Path(path))
        index = self._archive.index()
        self._names = index.names[:limit]
        self._is_premultiplied = index.is_premultiplied
        self.mirror = mirror
        self.labels = check_labels(self._names, index.labels[:limit])
        first = self._decode(self._names[0], None)
        self.channels, self.resolution = first.shape[0], first.shape[1]
        size = len(self._names) * first.numel()
        self._pixels = self._read_all() if size <= memory_limit else None
        if self._pixels is None:
            logger.info(
                "%s needs %.1f GB decoded: pictures are decoded on access.", path, size / 1e9
            )

    @property
    def is_in_memory(self) -> bool:
        """Whether the decoded pictures are held in memory."""
        return self._pixels is not None

    def __len__(self) -> int:
        return len(self._names) * (2 if self.mirror else 1)

    def __getitem__(self, number: int) -> Photograph:
        if not 0 <= number < len(self):
            raise IndexError(f"photograph {number} of {len(self)}: indices are 0 … {len(self) - 1}")
        row = number % len(self._names)
        photograph = Photograph(self._picture(row), Camera.from_label(self.labels[row : row + 1]))
        return photograph.mirrored() if number >= len(self._names) else photograph

    def batch(self, rows: Tensor) -> tuple[UInt8[Tensor, "batch channel height width"], Camera]:
        """The pixels, RGB or premultiplied RGBA in 0 … 255, and the cameras of some indices."""
        photographs = [self[int(row)] for row in rows]
        return torch.stack([p.pixels for p in photographs]), Camera.cat(
            [p.camera for p in photographs]
        )

    def _picture(self, row: int) -> UInt8[Tensor, "channel height width"]:
        if self._pixels is not None:
            return self._pixels[row]
        return self._decode(self._names[row], (self.channels, self.resolution, self.resolution))

    def _read_all(self) -> UInt8[Tensor, "photograph channel height width"]:
        shape = (self.channels, self.resolution, self.resolution)
        pixels = torch.empty(len(self._names), *shape, dtype=torch.uint8)
        for row, name in enumerate(self._names):
            pixels[row] = self._decode(name, shape)
        return pixels

    def _decode(
        self, name: str, expected: tuple[int, int, int] | None
    ) -> UInt8[Tensor, "channel height width"]:
        pixels = _decode_picture(name, self._archive.read(name))
        if expected is not None and tuple(pixels.shape) != expected:
            raise BadDataset(
                f"{name} is {_size(pixels.shape)}, but {self._names[0]} is {_size(expected)}: all"
                " pictures of a collection must have one size and kind."
            )
        if pixels.shape[1] != pixels.shape[2]:
            raise BadDataset(
                f"{name} is {_size(pixels.shape)}: pictures must be square (labels are normalised"
                " by one size)."
            )
        is_straight = len(pixels) == 4 and not self._is_premultiplied
        return _premultiply(pixels) if is_straight else pixels


def validate_photographs(path: Path | str) -> int:
    """Reads every picture and every label of a collection.

    Returns:
        the number of photographs.

    Raises:
        BadDataset: for the first picture or label that is unusable.
    """
    photographs = Photographs(path, memory_limit=0)
    for number in range(len(photographs)):
        photographs[number]
    return len(photographs)


def _decode_picture(name: str, content: bytes) -> UInt8[Tensor, "channel height width"]:
    try:
        picture = np.array(decode_picture(content))
    except ValueError as error:
        raise BadDataset(f"{name} can't be used: {error}.") from error
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous()


def _premultiply(pixels: UInt8[Tensor, "4 height width"]) -> UInt8[Tensor, "4 height width"]:
    values = pixels.float()
    color = (values[:3] * values[3:] / 255).round()
    return torch.cat([color, values[3:]]).to(torch.uint8)


def _size(shape: tuple[int, ...] | torch.Size) -> str:
    return f"{shape[2]}x{shape[1]} {'RGBA' if shape[0] == 4 else 'RGB'}"
