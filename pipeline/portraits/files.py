"""The files of an input folder, and the output names that follow from theirs."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

SIDECARS = (".json", ".npz")
"""Suffixes of files with landmarks beside a photograph."""


def find_photographs(path: Path) -> list[Path]:
    """The file itself, or every file of a folder sorted by name.

    Left out are hidden files, subfolders, pipes, and landmarks: a .json or .npz named after a
    picture, with or without the picture's suffix. A link that leads nowhere isn't: whoever reads it
    says so.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: the folder holds no file.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"input {path} does not exist: give a picture or a folder of pictures"
        )
    if not path.is_dir():
        return [path]
    files = sorted(
        file
        for file in path.iterdir()
        if (file.is_file() or not file.exists()) and not file.name.startswith(".")
    )
    stems = {
        part for file in files if file.suffix not in SIDECARS for part in (file.stem, file.name)
    }
    files = [file for file in files if file.suffix not in SIDECARS or file.stem not in stems]
    if not files:
        raise ValueError(f"input {path} holds no files: give a picture or a folder of pictures")
    return files


def sidecars_of(picture: Path, folder: Path | None = None) -> list[Path]:
    """The files with a picture's landmarks, beside it or in `folder`; the first one is used."""
    beside = folder or picture.parent
    candidates = [
        beside / f"{stem}{suffix}" for stem in (picture.name, picture.stem) for suffix in SIDECARS
    ]
    return [path for path in candidates if path.is_file() and path != picture]


def folder_names(files: Sequence[Path]) -> list[str]:
    """A unique folder name for each file: its stem, or stem and suffix where stems collide.

    Characters with a meaning for file systems, shells or Hydra become dashes. Names that differ in
    case only count as equal, as on macOS and Windows.
    """
    stems = [_plain(file.stem) for file in files]
    counts = Counter(stem.casefold() for stem in stems)
    taken: set[str] = set()
    names = []
    for file, stem in zip(files, stems, strict=True):
        wanted = stem if counts[stem.casefold()] == 1 else _plain(file.name.replace(".", "_"))
        name, number = wanted, 2
        while name.casefold() in taken or (name != stem and counts[name.casefold()]):
            name, number = f"{wanted}_{number}", number + 1
        taken.add(name.casefold())
        names.append(name)
    return names


def _plain(name: str) -> str:
    return re.sub(r"[^\w. -]", "-", name).strip(" .") or "photograph"
