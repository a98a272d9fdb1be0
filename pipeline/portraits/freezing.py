"""Freezes a folder of photographs as a benchmark, whose manifest `frozen.Frozen` reads."""

import hashlib
from pathlib import Path
from typing import Any

from pipeline.runs.files import sha256_of_file

from .files import find_photographs, folder_names
from .front_door import Portrait, PortraitSettings, portraits_of
from .frozen import KIND, SCHEMA, counts_of

SIDE = 64
"""Of the crops that are read to find out whether a file can be used; they are thrown away."""


def freeze(
    folder: Path,
    settings: PortraitSettings,
    *,
    name: str,
    licence: str,
    recipe: dict[str, Any],
    version: str,
    count: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """The manifest of a folder.

    Args:
        folder: of photographs and films, or one file.
        settings: how they are read and framed.
        name, licence: of the benchmark, of its pictures.
        recipe: the configuration of `settings`, kept for readers.
        version: of this program.
        count: so many files are drawn; None: all. The draw depends on the seed and the contents,
            not on names.
        seed: of the draw.

    Raises:
        FileNotFoundError: there is nothing.
        ValueError: two files have the same content, or there are fewer than `count`.
    """
    files = find_photographs(folder)
    named = list(zip(files, folder_names(files), strict=True))
    digests = {file: sha256_of_file(file) for file in files}
    _refuse_doubles(digests)
    if count is not None:
        named = _drawn(named, digests, count, seed)
    pictures = [
        _entry(portrait)
        for file, picture_name in named
        for portrait in portraits_of(file, picture_name, settings, resolution=SIDE)
    ]
    drawn = {} if count is None else {"drawn": {"of": len(files), "files": count, "seed": seed}}
    return {
        "kind": KIND,
        "schema": SCHEMA,
        "name": name,
        "licence": licence,
        **drawn,
        "detector": _detector_record(settings, version),
        "films": {"every": settings.every, "most": settings.most},
        "portraits": recipe,
        "counts": counts_of(pictures),
        "pictures": pictures,
    }


def _entry(portrait: Portrait) -> dict[str, Any]:
    record = portrait.record()
    return {
        "name": record["name"],
        "file": record["source"],
        "sha256": record["source_sha256"],
        **{key: record[key] for key in ("frame", "crop", "camera", "face_found", "note")},
    }


def _detector_record(settings: PortraitSettings, version: str) -> dict[str, Any]:
    detector = getattr(settings.framing, "detector", None)
    return {
        "framing": type(settings.framing).__name__,
        "name": getattr(detector, "name", None),
        "sha256": getattr(detector, "sha256", None),
        "trilift": version,
    }


def _refuse_doubles(digests: dict[Path, str]) -> None:
    seen: dict[str, Path] = {}
    for file, digest in digests.items():
        if digest in seen:
            raise ValueError(
                f"{seen[digest].name} and {file.name} are the same picture, which would count"
                " twice: remove one"
            )
        seen[digest] = file


def _drawn(
    named: list[tuple[Path, str]], digests: dict[Path, str], count: int, seed: int
) -> list[tuple[Path, str]]:
    if not 1 <= count <= len(named):
        raise ValueError(f"count {count} of {len(named)} files: give 1 to {len(named)}, or null")

    def place(pair: tuple[Path, str]) -> str:
        return hashlib.sha256(f"{seed} {digests[pair[0]]}".encode()).hexdigest()

    chosen = set(sorted(named, key=place)[:count])
    return [pair for pair in named if pair in chosen]
