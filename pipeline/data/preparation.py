"""The output folder of `trilift prepare`: written file by file, resumable.

prepare.json      the settings
portraits.jsonl   one line per source file: its hash and its portraits (crop, camera, note)
crops/            crops with a known camera: the pictures of dataset.json
unposed/          crops without one
dataset.json      EG3D's labels; written last
"""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NotRequired, TypedDict

from pipeline.pictures import write_png
from pipeline.portraits.cameras.labels import Label
from pipeline.portraits.files import sidecars_of
from pipeline.portraits.front_door import Portrait
from pipeline.runs.files import write_json
from pipeline.runs.json_lines import append_line, read_lines, write_lines
from pipeline.worlds.dataset_zip import INDEX
from teachers.plain_values import read_json_file

from .labels import check_labels

SETTINGS, RECORDS = "prepare.json", "portraits.jsonl"
POSED, UNPOSED = "crops", "unposed"

Record = dict[str, Any]


AGAIN = "overwrite=true writes it again"


class _Mirrored(TypedDict):
    file: str
    camera: Label


class _Crop(TypedDict):
    name: str
    file: str | None
    camera: Label | None
    mirrored: NotRequired[_Mirrored | None]


class _Record(TypedDict):
    source: str
    hash: str
    portraits: list[_Crop]


class Preparation:
    """The folder.

    Args:
        folder: created, or resumed if it was begun with the same settings.
        settings: everything that determines a crop, plain JSON.
        landmarks: folder of the landmarks' files; None: they lie beside the sources.
        mirrored: also store the mirror image of every crop with a camera.
        overwrite: discard an earlier preparation.

    Raises:
        ValueError: the folder was begun with other settings.
        FileExistsError: the folder holds other files.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        *,
        landmarks: Path | None = None,
        mirrored: bool = False,
        overwrite: bool = False,
    ) -> None:
        self.folder, self.landmarks = folder, landmarks
        self.mirrored = mirrored
        self.settings = {**settings, "mirrored": mirrored}
        self._require_ours(overwrite)
        records = read_lines(folder / RECORDS, _Record, AGAIN)
        for file in (file for record in records for file in _files(record)):
            if PurePosixPath(file).parts[:-1] not in ((POSED,), (UNPOSED,)):
                raise ValueError(f"{folder / RECORDS} names the crop {file!r}: {AGAIN}")
        # not before everything was read: what can't go on leaves the collection as it is
        (folder / INDEX).unlink(missing_ok=True)
        write_json(folder / SETTINGS, self.settings, indent=1)
        self._done: dict[str, Record] = {}
        for record in records:
            self._remember(record)
        self._claimed: set[str] = set()
        write_lines(folder / RECORDS, self._done.values())

    def done(self, source: Path, name: str) -> Record | None:
        """The stored record of a source file whose crops are called `name`.

        None if the file is new, it or its landmarks have changed, it had another name, or a crop or
        its mirror image is missing.
        """
        record = self._done.get(source.name)
        if record is None or record["hash"] != content_hash(source, self.landmarks):
            return None
        files = set(_files(record))
        is_whole = all((self.folder / file).is_file() for file in files) and all(
            entry["file"] and entry["name"].split("+")[0] == name.split("+")[0]
            for entry in record["portraits"]
        )
        if not is_whole:
            return None
        self._claimed |= files
        return record

    def add(self, source: Path, portraits: Iterable[Portrait]) -> Record:
        """Stores the crops of a file, then its line; removes its earlier crops."""
        self._forget(self._done.pop(source.name, None))
        record = {
            "source": source.name,
            "hash": content_hash(source, self.landmarks),
            "portraits": [self._store(portrait) for portrait in portraits],
        }
        append_line(self.folder / RECORDS, record)
        self._claimed |= set(_files(record))
        self._remember(record)
        return record

    def finish(self, sources: Iterable[Path]) -> int:
        """Writes `dataset.json` if any crop has a camera, and checks its labels.

        Args:
            sources: the source files in their final order; crops of others are removed.

        Returns:
            the number of labels.

        Raises:
            ValueError: a crop that `dataset.json` would name isn't there.
        """
        records = [self._done.pop(source.name) for source in sources]
        for gone in self._done.values():
            self._forget(gone)
        self._done = {record["source"]: record for record in records}
        labels: list[tuple[str, list[float]]] = []
        for entry in (entry for record in records for entry in record["portraits"]):
            labels += [(entry["file"], entry["camera"])] if entry["camera"] else []
            labels += (
                [(entry["mirrored"]["file"], entry["mirrored"]["camera"])]
                if entry.get("mirrored")
                else []
            )
        write_lines(self.folder / RECORDS, records)
        if lost := [name for name, _ in labels if not (self.folder / name).is_file()]:
            raise ValueError(f"{self.folder / lost[0]} has disappeared: run the command again")
        if labels:
            write_json(self.folder / INDEX, {"labels": labels}, indent=None)
            check_labels([name for name, _ in labels], [label for _, label in labels])
        return len(labels)

    def _store(self, portrait: Portrait) -> Record:
        record = {**portrait.record(), "file": None}
        if portrait.image is None:
            return record
        record["file"] = f"{UNPOSED if portrait.camera is None else POSED}/{portrait.name}.png"
        write_png(self.folder / record["file"], portrait.image)
        if self.mirrored and portrait.camera is not None:
            twin = f"{POSED}/{portrait.name}+mirrored.png"
            write_png(self.folder / twin, portrait.image.flip(-1))
            record["mirrored"] = {
                "file": twin,
                "camera": portrait.camera.mirrored().label()[0].tolist(),
            }
        return record

    def _remember(self, record: Record) -> None:
        """Keeps a record, and no other of the same crops: theirs have been replaced."""
        mine = set(_files(record))
        self._done = {
            source: other for source, other in self._done.items() if not mine & set(_files(other))
        }
        self._done[record["source"]] = record

    def _forget(self, record: Record | None) -> None:
        """Removes a record's crops, except those that another source has replaced by its own."""
        for file in set(_files(record or {"portraits": []})) - self._claimed:
            (self.folder / file).unlink(missing_ok=True)

    def _require_ours(self, overwrite: bool) -> None:
        path = self.folder / SETTINGS
        if not path.is_file():
            if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
                raise FileExistsError(
                    f"{self.folder} exists and wasn't written by trilift prepare: choose another"
                    " output="
                )
            return
        if overwrite:
            for name in (INDEX, RECORDS, SETTINGS):
                (self.folder / name).unlink(missing_ok=True)
            for name in (POSED, UNPOSED):
                shutil.rmtree(self.folder / name, ignore_errors=True)
            return
        before = read_json_file(path, dict[str, Any], AGAIN)
        different = [
            key for key in {**before, **self.settings} if before.get(key) != self.settings.get(key)
        ]
        if different:
            raise ValueError(
                f"{self.folder} was begun with another {', '.join(different)}: choose another"
                " output=, or overwrite=true"
            )


def _files(record: Record) -> Iterator[str]:
    for entry in record["portraits"]:
        for file in (entry["file"], (entry.get("mirrored") or {}).get("file")):
            if file:
                yield file


def content_hash(source: Path, landmarks: Path | None = None) -> str:
    """SHA-256 of a file and of its landmarks, beside it or in their folder; "" if one can't be
    read.
    """
    digest = hashlib.sha256()
    try:
        for path in (source, *sidecars_of(source, landmarks)):
            with path.open("rb") as content:
                digest.update(hashlib.file_digest(content, "sha256").digest())
    except OSError:
        return ""
    return digest.hexdigest()
