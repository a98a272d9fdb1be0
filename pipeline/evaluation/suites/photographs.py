"""The faces of a folder of photographs, as `trilift lift` frames them, under names of their own."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from pipeline.evaluation.suite_files import as_folder, read_manifest
from pipeline.pictures import from_uint8, to_uint8
from pipeline.portraits.face import LandmarkDetector
from pipeline.portraits.front_door import Portrait, PortraitSettings, read_portraits
from pipeline.portraits.frozen import Frozen


@dataclass(frozen=True)
class Photograph:
    """A face, or a file in which none was found.

    Attributes:
        name: of letters, digits, points and dashes; no two of a folder are equal.
        portrait: what the front door found.
        pixels: `[height width 3]` of the crop; None: there is none.
    """

    name: str
    portrait: Portrait
    pixels: UInt8[np.ndarray, "height width 3"] | None

    @property
    def image(self) -> Float[Tensor, "3 height width"] | None:
        """The crop in [-1, 1]."""
        return None if self.pixels is None else from_uint8(self.pixels)


@dataclass(frozen=True)
class Photographs:
    """They are read when they are first asked for, and kept in memory.

    Args:
        path: an image, a folder, a zip or webdataset shards.
        door: how photographs are read and framed.
        manifest_file: what `trilift manifest` wrote about them: its crops and cameras are taken,
            and nothing is detected.
        side: of a crop, in pixels.
        background: grey level behind a crop that leaves its picture.
        cache: folder in which packed suites are unpacked.
    """

    path: str
    door: PortraitSettings
    manifest_file: str | None
    side: int
    background: float | int
    cache: str | None

    def __iter__(self) -> Iterator[Photograph]:
        return iter(self._kept)

    def __getitem__(self, index: int) -> Photograph:
        return self._kept[index]

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def detector(self) -> LandmarkDetector | None:
        """Of the front door's framing."""
        return getattr(self.door.framing, "detector", None)

    @functools.cached_property
    def frozen(self) -> Frozen | None:
        """The manifest that the crops are taken from."""
        return None if self.manifest_file is None else Frozen.read(Path(self.manifest_file))

    def settings(self) -> dict[str, Any]:
        """What decides the crops, except the files."""
        if self.frozen is not None:
            return {"manifest_sha256": self.frozen.sha256, **self.frozen.content["detector"]}
        framing = self.door.framing
        found = {
            "framing": type(framing).__name__,
            "every": self.door.every,
            "most": self.door.most,
        }
        if self.detector is not None:
            found |= {"detector": self.detector.name, "faces": getattr(framing, "faces", None)}
        return found | ({"track": True} if self.door.track else {})

    def records(self) -> list[dict[str, Any]]:
        """Files, hashes, crops and cameras for a manifest; landmarks aren't stored.

        Raises:
            ValueError: the folder has a manifest that its files contradict.
        """
        if (self._folder / "manifest.json").is_file():
            read_manifest(self._folder)
        hidden = ("name", "landmarks")
        return [
            {
                "name": photograph.name,
                "views": 1,
                **{k: v for k, v in photograph.portrait.record().items() if k not in hidden},
            }
            for photograph in self
        ]

    @functools.cached_property
    def _folder(self) -> Path:
        path = Path(self.path)
        is_packed = path.is_dir() or path.suffix in (".zip", ".tar") or not path.exists()
        return (
            as_folder(path, None if self.cache is None else Path(self.cache)) if is_packed else path
        )

    @functools.cached_property
    def _kept(self) -> list[Photograph]:
        read = read_portraits if self.frozen is None else self.frozen.portraits
        found = read(self._folder, self.door, resolution=self.side, background=self.background)
        kept: list[Photograph] = []
        taken: set[str] = set()
        for portrait in found:
            if portrait.source.name == "manifest.json":
                continue
            pixels = None if portrait.image is None else to_uint8(portrait.image)
            kept.append(Photograph(_unique(portrait.name, taken), portrait, pixels))
        return kept


def _unique(name: str, taken: set[str]) -> str:
    """A portrait's name as a unique item name of letters, digits, points and dashes."""
    plain = (
        "".join(
            letter if letter.isascii() and letter.isalnum() else "." if letter == "+" else "-"
            for letter in name
        ).lstrip(".-")
        or "photograph"
    )
    wanted, number = plain, 2
    while wanted in taken:
        wanted, number = f"{plain}.{number}", number + 1
    taken.add(wanted)
    return wanted
