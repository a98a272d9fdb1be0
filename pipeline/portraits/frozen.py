"""A folder of photographs frozen as a benchmark: hashes, crops, cameras and the detector, in one
JSON file without any pixel (`freezing.freeze`). Whoever has the pictures, under whatever names, can
check and use it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypedDict, get_type_hints

import torch

from pipeline.runs.files import sha256_of_file
from teachers.plain_values import read_json_file, require_shape, shown
from teachers.rendering.camera import Camera

from .cameras.labels import Label
from .crop import Crop
from .face import LandmarkDetector, Picture
from .files import find_photographs
from .framing import Framed
from .front_door import Portrait, PortraitSettings, portraits_of

KIND = "trilift photographs"
SCHEMA = 1
SHA256 = re.compile(r"[0-9a-f]{64}")


class _Entry(TypedDict):
    name: str
    file: str
    sha256: str
    frame: int | None
    crop: dict[str, float] | None
    camera: Label | None
    face_found: bool
    note: str


class _Films(TypedDict):
    every: int
    most: int | None


class _Detector(TypedDict):
    name: str | None
    trilift: str
    sha256: str | None


class _Manifest(TypedDict):
    licence: str
    detector: _Detector
    films: _Films
    counts: dict[str, int]
    pictures: list[_Entry]


@dataclass(frozen=True)
class Comparison:
    """A folder against a manifest.

    Attributes:
        files: sha256 → a file of that content, for those that are there.
        missing: names of files whose content isn't there.
        changed: those of them of whose name there is a file, with other content.
        extra: files that the manifest doesn't list.
    """

    files: dict[str, Path]
    missing: list[str]
    changed: list[str]
    extra: list[str]


@dataclass(frozen=True)
class Frozen:
    """A manifest that was read."""

    path: Path
    content: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Frozen":
        """From a file.

        Raises:
            FileNotFoundError: there is none.
            ValueError: it isn't a manifest, or an entry in it is wrong.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"no manifest {path}: write one with trilift manifest input=FOLDER output={path}"
            )
        content = read_json_file(path, dict[str, Any], "trilift manifest writes one")
        if "kind" not in content:
            raise ValueError(f"{path} holds {shown(content)}: expected a key 'kind'")
        if content.get("kind") != KIND:
            raise ValueError(
                f"{path} is of kind {shown(content.get('kind'))}, expected {KIND!r}: trilift"
                " manifest writes one"
            )
        if content.get("schema") != SCHEMA:
            raise ValueError(
                f"{path} has schema {content.get('schema')!r}, this trilift reads {SCHEMA}"
            )
        entries = require_shape(content, _Manifest, str(path), "get the manifest again")["pictures"]
        if not entries:
            raise ValueError(f"{path} lists no pictures: get the manifest again")
        for number, entry in enumerate(entries):
            wrong = _what_is_wrong(entry)
            if wrong:
                raise ValueError(f"{path}: picture {number} has {wrong}: get the manifest again")
        if content["counts"] != counts_of(entries):
            raise ValueError(
                f"{path} counts {content['counts']}, its pictures give {counts_of(entries)}: it"
                " was edited, get it again"
            )
        return cls(path, content)

    @property
    def entries(self) -> list[dict[str, Any]]:
        """One for each crop, in order."""
        return list(self.content["pictures"])

    @property
    def counts(self) -> dict[str, int]:
        """Files, crops, crops with a face, crops with a camera, unusable files."""
        return dict(self.content["counts"])

    @property
    def sha256(self) -> str:
        """Of the content, whatever its layout in the file."""
        text = json.dumps(self.content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def compare(self, folder: Path) -> Comparison:
        """What of a folder is in the manifest, by content."""
        there = {file: sha256_of_file(file) for file in find_photographs(folder) if file.is_file()}
        by_digest = {digest: file for file, digest in there.items()}
        wanted = {entry["sha256"]: entry["file"] for entry in self.entries}
        missing = sorted(name for digest, name in wanted.items() if digest not in by_digest)
        names = {file.name for file, digest in there.items() if digest not in wanted}
        return Comparison(
            {digest: by_digest[digest] for digest in wanted if digest in by_digest},
            missing,
            [name for name in missing if name in names],
            sorted(names - set(missing)),
        )

    def portraits(
        self,
        folder: Path,
        settings: PortraitSettings,
        *,
        resolution: int,
        background: float | int,
    ) -> list[Portrait]:
        """The frozen crops of a folder, with the manifest's names, order, and cameras; nothing is
        detected.

        Raises:
            ValueError: a picture is missing or another one.
        """
        comparison = self.compare(folder)
        if comparison.missing:
            raise ValueError(
                f"{folder} lacks {len(comparison.missing)} of the {self.counts['files']} files of"
                f" {self.path} ({', '.join(comparison.missing[:3])}, …;"
                f" {len(comparison.changed)} of them have another content): trilift manifest"
                f" check={self.path} input={folder} lists them"
            )
        films = self.content["films"]
        door = replace(
            settings, framing=FrozenCrops(self), every=films["every"], most=films["most"]
        )
        found: dict[tuple[str, int | None], list[Portrait]] = {}
        for digest, file in comparison.files.items():
            for portrait in portraits_of(
                file, "picture", door, resolution=resolution, background=float(background)
            ):
                found.setdefault((digest, portrait.frame), []).append(portrait)
        kept = []
        for entry in self.entries:
            key = (entry["sha256"], entry["frame"])
            if not found.get(key):
                raise ValueError(f"{self.path}: {entry['name']} can't be cut out of its file")
            named = {"name": entry["name"], "source": Path(entry["file"]), "note": entry["note"]}
            kept.append(replace(found[key].pop(0), **named))
        return kept


class FrozenCrops:
    """The squares and cameras that a manifest has for a picture.

    Args:
        frozen: the manifest.
        detector: of faces in other images than the input (for an alignment by landmarks).
    """

    def __init__(self, frozen: Frozen, detector: LandmarkDetector | None = None) -> None:
        self.frozen, self.detector = frozen, detector

    def frame(self, picture: Picture) -> list[Framed]:
        """One square for each entry; ValueError without any."""
        entries = self._entries.get((_digest_of(picture.source), picture.frame))
        if not entries:
            raise ValueError(f"{self.frozen.path.name} has no crop of {picture.source.name}")
        return [_framed(entry) for entry in entries]

    @cached_property
    def _entries(self) -> dict[tuple[str, int | None], list[dict[str, Any]]]:
        found: dict[tuple[str, int | None], list[dict[str, Any]]] = {}
        for entry in self.frozen.entries:
            if entry["crop"] is not None:
                found.setdefault((entry["sha256"], entry["frame"]), []).append(entry)
        return found


def _digest_of(file: Path) -> str:
    """sha256 of a file, which is read once for all frames of a film."""
    state = file.stat()
    return _digest_at(file, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest_at(file: Path, size: int, modified_ns: int) -> str:
    return sha256_of_file(file)


def _framed(entry: dict[str, Any]) -> Framed:
    camera = entry["camera"]
    return Framed(
        Crop(**entry["crop"]),
        None if camera is None else Camera.from_label(torch.tensor([camera])),
        face_found=entry["face_found"],
        note=entry["note"],
        may_reach_outside=True,
    )


def counts_of(entries: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """What `Frozen.counts` says."""
    return {
        "files": len({entry["sha256"] for entry in entries}),
        "crops": sum(entry["crop"] is not None for entry in entries),
        "faces": sum(bool(entry["face_found"]) for entry in entries),
        "faces_missed": sum(
            entry["crop"] is not None and not entry["face_found"] for entry in entries
        ),
        "cameras": sum(entry["camera"] is not None for entry in entries),
        "unusable": sum(entry["crop"] is None for entry in entries),
    }


def _what_is_wrong(entry: _Entry) -> str:
    """A phrase about what its shape doesn't say; empty if nothing is wrong."""
    keys = set(get_type_hints(_Entry))
    if set(entry) != keys:
        return f"the keys {', '.join(sorted(entry))}, expected {', '.join(sorted(keys))}"
    if not SHA256.fullmatch(entry["sha256"]):
        return f"the sha256 {entry['sha256']!r}"
    crop = entry["crop"]
    if crop is not None and (
        set(crop) != {"left", "top", "size", "roll_deg"} or not crop["size"] > 0
    ):
        return f"the crop {crop!r}"
    return ""
