"""The files of a dataset: a folder, a zip, or webdataset shards (tar files), and the manifest with
their hashes.
"""

import gzip
import hashlib
import logging
import tarfile
import zipfile
from pathlib import Path
from typing import Any, TypedDict

from pipeline.data.archive import ZIP_ERRORS
from pipeline.runs.files import replaced_folder, sha256_of_file, write_json
from teachers.plain_values import read_json_file

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = 1


def as_folder(path: Path, cache: Path | None) -> Path:
    """A folder itself; a zip, a tar, or a folder of tars alone is unpacked into the cache, once for
    the same bytes.

    Raises:
        FileNotFoundError: the path doesn't exist.
        ValueError: it is no folder, zip or tar; a member lies outside of the archive; or there is
            no cache.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path} doesn't exist: give a folder, a zip or webdataset shards")
    packed = [path] if path.is_file() else sorted(path.glob("*.tar"))
    if path.is_dir() and (
        not packed
        or any(not file.name.startswith(".") and file not in packed for file in path.iterdir())
    ):
        return path
    if cache is None:
        raise ValueError(f"{path} is packed: give suite.cache=FOLDER, where it can be unpacked")
    digest = hashlib.sha256("".join(sha256_of_file(file) for file in packed).encode()).hexdigest()
    folder = cache / f"suite-{digest[:16]}"
    if not folder.exists():
        with replaced_folder(folder) as writing:
            for file in packed:
                _unpack(file, writing)
    return folder


def write_manifest(folder: Path, **about: Any) -> Path:
    """Writes manifest.json: every file of a folder with its sha256, and what holds for all of them
    (licence, split, …).
    """
    files = {name: sha256_of_file(folder / name) for name in _files_of(folder)}
    write_json(folder / MANIFEST, {"schema": MANIFEST_SCHEMA, **about, "files": files}, indent=1)
    return folder / MANIFEST


class _Manifest(TypedDict):
    schema: int
    files: dict[str, str]


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder, checked against its files; without one, the hashes of the files.

    Raises:
        ValueError: the manifest can't be read, or a file is missing or has another hash.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return {"files": {name: sha256_of_file(folder / name) for name in _files_of(folder)}}
    advice = "write it again, or delete it to take the files as they are"
    manifest = read_json_file(path, _Manifest, advice)
    if manifest["schema"] != MANIFEST_SCHEMA:
        raise ValueError(
            f"{path} has schema {manifest['schema']!r}, this trilift reads {MANIFEST_SCHEMA}:"
            f" {advice}"
        )
    for name, expected in manifest["files"].items():
        if not _is_inside(name) or not (folder / name).is_file():
            raise ValueError(f"{path} lists {name}, which is not there: get the whole suite")
        if sha256_of_file(folder / name) != expected:
            raise ValueError(
                f"{folder / name} is another file than the manifest says (sha256 differs): get the"
                " suite again"
            )
    return {**manifest}


def _unpack(file: Path, folder: Path) -> None:
    try:
        _extract(file, folder)
    except (*ZIP_ERRORS, tarfile.TarError, gzip.BadGzipFile, EOFError) as error:
        raise ValueError(
            f"{file} is damaged, or can't be unpacked ({error}): get it again"
        ) from error


def _extract(file: Path, folder: Path) -> None:
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            wrong = [name for name in archive.namelist() if not _is_inside(name)]
            if wrong:
                raise ValueError(
                    f"{file} holds {wrong[0]!r}, which lies outside of it: don't trust it"
                )
            archive.extractall(folder)
    elif tarfile.is_tarfile(file):
        with tarfile.open(file) as tape:
            try:
                tape.extractall(folder, filter="data")
            except tarfile.FilterError as error:
                raise ValueError(
                    f"{file} holds something that lies outside of it ({error}): don't trust it"
                ) from error
    else:
        raise ValueError(
            f"{file} is neither a zip nor a tar: give a folder, a zip or webdataset shards"
        )


def _is_inside(name: str) -> bool:
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def _files_of(folder: Path) -> list[str]:
    found = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    return sorted(
        file.as_posix()
        for file in found
        if not any(part.startswith(".") for part in file.parts) and file.as_posix() != MANIFEST
    )
