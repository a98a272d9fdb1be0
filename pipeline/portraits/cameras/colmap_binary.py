"""COLMAP's binary models: cameras.bin and images.bin, little-endian (COLMAP's docs, "Output
Format"; the models' numbers and parameters from its `sensor/models.h`).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODELS = {
    0: ("SIMPLE_PINHOLE", 3),
    1: ("PINHOLE", 4),
    2: ("SIMPLE_RADIAL", 4),
    3: ("RADIAL", 5),
    4: ("OPENCV", 8),
    5: ("OPENCV_FISHEYE", 8),
    6: ("FULL_OPENCV", 12),
    7: ("FOV", 5),
    8: ("SIMPLE_RADIAL_FISHEYE", 4),
    9: ("RADIAL_FISHEYE", 5),
    10: ("THIN_PRISM_FISHEYE", 12),
}
"""Number of a lens model → its name and how many parameters it has."""


@dataclass(frozen=True)
class LensRecord:
    """A camera of COLMAP's: file and place, number, model, size in pixels, parameters."""

    where: str
    number: int
    model: str
    width: int
    height: int
    parameters: list[float]


@dataclass(frozen=True)
class ImageRecord:
    """An image of COLMAP's: file and place, world-to-camera rotation (w, x, y, z) and translation,
    number of its camera, name.
    """

    where: str
    quaternion: list[float]
    translation: list[float]
    camera: int
    name: str


def read_binary(folder: Path) -> tuple[dict[int, LensRecord], Iterator[ImageRecord]]:
    """The cameras by their numbers, and the images.

    Raises:
        ValueError: a file is missing, cut off, or names a lens model that COLMAP 3.11 doesn't have.
    """
    cameras = {lens.number: lens for lens in _cameras(_Bytes(folder / "cameras.bin"))}
    return cameras, _images(_Bytes(folder / "images.bin"))


class _Bytes:
    """Reads numbers from a file, one after another."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise ValueError(f"{path} is missing: COLMAP's model has cameras.bin and images.bin")
        self.name, self.content, self.position = path.name, path.read_bytes(), 0

    @property
    def where(self) -> str:
        return f"{self.name}, byte {self.position}"

    def read(self, form: str) -> tuple[Any, ...]:
        size = struct.calcsize(f"<{form}")
        self.skip(size)
        return struct.unpack_from(f"<{form}", self.content, self.position - size)

    def skip(self, size: int) -> None:
        if self.position + size > len(self.content):
            raise ValueError(
                f"{self.where}: cut off, {size} bytes are announced and"
                f" {len(self.content) - self.position} left: copy the model again"
            )
        self.position += size

    def text(self) -> str:
        end = self.content.find(b"\0", self.position)
        if end < 0:
            raise ValueError(f"{self.where}: a name without an end: copy the model again")
        start, self.position = self.position, end + 1
        return self.content[start:end].decode(errors="surrogateescape")


def _cameras(file: _Bytes) -> Iterator[LensRecord]:
    for _ in range(file.read("Q")[0]):
        where = file.where
        number, model, width, height = file.read("iiQQ")
        if model not in MODELS:
            raise ValueError(
                f"{where}: lens model {model} of camera {number} is unknown: undistort the pictures"
                " with COLMAP first"
            )
        name, count = MODELS[model]
        yield LensRecord(where, number, name, width, height, list(file.read(f"{count}d")))


def _images(file: _Bytes) -> Iterator[ImageRecord]:
    for _ in range(file.read("Q")[0]):
        where = file.where
        _, *values, camera = file.read("i7di")
        name = file.text()
        file.skip(24 * file.read("Q")[0])  # 2D points: x, y, number of the 3D point
        yield ImageRecord(where, values[:4], values[4:], camera, name)
