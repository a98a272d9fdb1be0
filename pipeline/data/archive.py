"""A folder or a zip of files, read by relative names."""

import lzma
import os
import struct
import unicodedata
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypedDict

from pipeline.worlds.dataset_zip import INDEX
from teachers.plain_values import parse_json

from .labels import BadDataset

MAX_ENTRY = 1 << 30
"""Bytes to which a file of a zip may unpack: 16384² pixels of RGBA, stored plainly."""

ENCRYPTED = 0x1
"""The bit of a zip entry's flags."""

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError)
"""What reading a damaged zip raises, or one with a password (RuntimeError)."""


class _Index(TypedDict):
    labels: list[tuple[str, Any]]  # `check_labels` compares them


@dataclass(frozen=True)
class Index:
    """The contents of `dataset.json`.

    Attributes:
        names: of the pictures.
        labels: one per picture, not yet checked.
        is_premultiplied: whether colours are premultiplied by alpha.
        others: the values of all other keys.
    """

    names: list[str]
    labels: list[Any]
    is_premultiplied: bool
    others: dict[str, Any]


@dataclass
class Archive:
    """A folder or a zip. It can be pickled: each worker process opens the zip itself."""

    path: Path
    _zip: tuple[int, zipfile.ZipFile] | None = field(default=None, repr=False)
    _found: tuple[int, dict[str, zipfile.ZipInfo]] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.path.exists():
            raise BadDataset(
                f"{self.path} doesn't exist: give a folder or a zip with {INDEX} and pictures."
            )
        if self.path.is_file() and not zipfile.is_zipfile(self.path):
            raise BadDataset(
                f"{self.path} is neither a folder nor a readable zip: it may be incomplete; write"
                " or download it again."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_zip": None, "_found": None}

    def has(self, name: str) -> bool:
        """Whether the file exists."""
        if self.path.is_dir():
            return (self.path / _plain(name)).is_file()
        return _composed(name) in self._entries()

    def read(self, name: str) -> bytes:
        """The contents of a file.

        Raises:
            BadDataset: it is missing, damaged, or its name leads out of the folder.
        """
        advice = f"add the file again, or remove its entry from {INDEX}."
        try:
            if self.path.is_dir():
                return self._in_folder(_plain(name)).read_bytes()
            return self._unpacked(name)
        except BadDataset:
            raise
        except NotImplementedError as error:
            raise BadDataset(
                f"{name} can't be read from {self.path} ({error}): pack it again without Deflate64,"
                " for example with `python -m zipfile -c`, or unpack it and give the folder."
            ) from error
        except (KeyError, OSError, ValueError, EOFError, *ZIP_ERRORS) as error:
            raise BadDataset(
                f"{name} can't be read from {self.path} ({error}): {advice}"
            ) from error

    def index(self) -> Index:
        """The contents of `dataset.json`.

        Raises:
            BadDataset: it is missing, has another form, names no pictures or one picture twice.
        """
        if not self.has(INDEX):
            raise BadDataset(
                f"{self.path} has no {INDEX}: write one with the key 'labels', a list of [file"
                " name, [25 numbers]]."
            )
        advice = 'write {"labels": [[file name, [25 numbers]], ...]}.'
        try:
            content: Any = parse_json(self.read(INDEX), f"{INDEX} of {self.path}", _Index, advice)
        except ValueError as error:
            raise BadDataset(str(error)) from error
        entries = content["labels"]
        if not entries:
            raise BadDataset(f"{INDEX} of {self.path} names no pictures: its 'labels' is empty.")
        names = [PurePosixPath(name).as_posix() for name, _ in entries]
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise BadDataset(
                f"{INDEX} of {self.path} has {names.count(twice[0])} labels for {twice[0]}: a"
                " picture has one camera; keep the right one."
            )
        others = {key: value for key, value in content.items() if key not in ("labels", "alpha")}
        return Index(
            [name for name, _ in entries],
            [label for _, label in entries],
            content.get("alpha") == "premultiplied",
            others,
        )

    def _in_folder(self, name: str) -> Path:
        """A file, also where the disk has its name decomposed (macOS), or composed."""
        forms = (name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD")))
        paths = [self._inside(form) for form in forms]
        return next((path for path in paths if path.exists()), paths[0])

    def _inside(self, name: str) -> Path:
        file = (self.path / name).resolve()
        if not file.is_relative_to(self.path.resolve()):
            raise BadDataset(
                f"{name} in {INDEX} leads out of {self.path}: names must be relative to the folder."
            )
        return file

    def _unpacked(self, name: str) -> bytes:
        entry = self._entries().get(_composed(name))
        if entry is None:
            raise KeyError(f"there is no {name} in it")
        if entry.flag_bits & ENCRYPTED:
            raise BadDataset(
                f"{name} in {self.path} is encrypted with a password: unpack it and give the"
                " folder."
            )
        if entry.file_size > MAX_ENTRY:
            raise BadDataset(
                f"{name} in {self.path} unpacks to {entry.file_size:,} bytes, at most"
                f" {MAX_ENTRY:,} are read: it is no picture."
            )
        return self._opened().read(entry)

    def _entries(self) -> dict[str, zipfile.ZipInfo]:
        """The files of the zip by plain names; below its only folder if they all lie there."""
        if self._found is None or self._found[0] != os.getpid():
            entries = {
                _composed(entry.filename): entry
                for entry in self._opened().infolist()
                if not entry.is_dir()
            }
            tops = {name.partition("/")[0] for name in entries if not _is_litter(name)}
            if INDEX not in entries and len(tops) == 1:
                top = f"{min(tops)}/"
                entries = {
                    name.removeprefix(top): entry
                    for name, entry in entries.items()
                    if name.startswith(top)
                }
            self._found = (os.getpid(), entries)
        return self._found[1]

    def _opened(self) -> zipfile.ZipFile:
        if self._zip is None or self._zip[0] != os.getpid():
            try:
                self._zip = (os.getpid(), zipfile.ZipFile(self.path))
            except (OSError, ValueError, NotImplementedError, *ZIP_ERRORS) as error:
                raise BadDataset(
                    f"{self.path} is no readable zip ({error}): write or download it again."
                ) from error
        return self._zip[1]


def _plain(name: str) -> str:
    """With slashes, and without a leading `./`: Windows programs write backslashes."""
    name = name.replace("\\", "/")
    while name.startswith("./"):
        name = name[2:]
    return name


def _composed(name: str) -> str:
    """`_plain`, with composed characters: macOS packs decomposed ones."""
    return unicodedata.normalize("NFC", _plain(name))


def _is_litter(name: str) -> bool:
    """What macOS adds to the zips that it packs."""
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] == ".DS_Store"
