"""A folder or a zip of files, read by relative names."""

import json
import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.worlds.dataset_zip import INDEX

from .labels import BadDataset


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
        return {"path": self.path, "_zip": None}

    def has(self, name: str) -> bool:
        """Whether the file exists."""
        return (
            (self.path / name).is_file()
            if self.path.is_dir()
            else name in self._opened().NameToInfo
        )

    def read(self, name: str) -> bytes:
        """The contents of a file.

        Raises:
            BadDataset: it is missing, damaged, or its name leads out of the folder.
        """
        try:
            return (
                self._inside(name).read_bytes() if self.path.is_dir() else self._opened().read(name)
            )
        except (KeyError, OSError, zipfile.BadZipFile, zipfile.zlib.error) as error:  # type: ignore[attr-defined]
            advice = f"add the file again, or remove its entry from {INDEX}."
            raise BadDataset(
                f"{name} can't be read from {self.path} ({error}): {advice}"
            ) from error

    def index(self) -> Index:
        """The contents of `dataset.json`.

        Raises:
            BadDataset: it is missing, has another form or names no pictures.
        """
        if not self.has(INDEX):
            raise BadDataset(
                f"{self.path} has no {INDEX}: write one with the key 'labels', a list of [file"
                " name, [25 numbers]]."
            )
        try:
            content = json.loads(self.read(INDEX))
            entries = [(str(name), label) for name, label in content["labels"]]
        except (ValueError, TypeError, KeyError) as error:
            shape = '{"labels": [[file name, [25 numbers]], ...]}'
            raise BadDataset(
                f"{INDEX} of {self.path} isn't understood ({error!r}): expected {shape}."
            ) from error
        if not entries:
            raise BadDataset(f"{INDEX} of {self.path} names no pictures: its 'labels' is empty.")
        others = {key: value for key, value in content.items() if key not in ("labels", "alpha")}
        return Index(
            [name for name, _ in entries],
            [label for _, label in entries],
            content.get("alpha") == "premultiplied",
            others,
        )

    def _inside(self, name: str) -> Path:
        file = (self.path / name).resolve()
        if not file.is_relative_to(self.path.resolve()):
            raise BadDataset(
                f"{name} in {INDEX} leads out of {self.path}: names must be relative to the folder."
            )
        return file

    def _opened(self) -> zipfile.ZipFile:
        if self._zip is None or self._zip[0] != os.getpid():
            self._zip = (os.getpid(), zipfile.ZipFile(self.path))
        return self._zip[1]
