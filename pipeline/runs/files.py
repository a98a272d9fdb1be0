"""Durable files: written beside their place, synced, then renamed; hashes; JSON lines.

After a power cut a file or folder written here is the old one or the new one, never empty. A rename
alone doesn't promise that: the file system may keep the new name before the bytes. So the bytes are
synced first, then the folder that holds the name (see fsync(2), rename(2)).
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` with the same suffix; what is written there replaces `path`.

    On an error the temporary file is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid4().hex[:12]}.tmp{path.suffix}")
    try:
        yield temporary
        sync_file(temporary)
        temporary.replace(path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """An empty temporary folder beside `path`; what is written there replaces `path` as a whole.

    A folder can't be renamed over a full one, so there is an instant between two renames when the
    old one is `NAME~previous` and the new one `NAME~writing`: `finish_folder_swap`, which every
    writer and reader of such folders calls first, completes a swap that was interrupted there.
    """
    finish_folder_swap(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writing, previous = swap_folders(path)
    writing.mkdir()
    try:
        yield writing
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        raise
    for found in (*writing.rglob("*"), writing):
        sync_folder(found) if found.is_dir() else sync_file(found)
    if path.exists():
        path.rename(previous)
    writing.rename(path)
    sync_folder(path.parent)
    shutil.rmtree(previous, ignore_errors=True)


def swap_folders(path: Path) -> tuple[Path, Path]:
    """The names beside a folder under which its successor is written and its predecessor moved."""
    return path.with_name(f"{path.name}~writing"), path.with_name(f"{path.name}~previous")


def finish_folder_swap(path: Path) -> None:
    """Puts the old folder back if a kill came between the two renames; removes leftovers."""
    writing, previous = swap_folders(path)
    if previous.exists() and not path.exists():
        previous.rename(path)
        sync_folder(path.parent)
    shutil.rmtree(writing, ignore_errors=True)
    shutil.rmtree(previous, ignore_errors=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces a file."""
    with replaced_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Replaces a file by UTF-8 text."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any, *, indent: int | None = 2) -> None:
    """Replaces a file by JSON; a number that isn't finite raises ValueError."""
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    write_text(path, f"{text}\n")


def sync_file(path: Path) -> None:
    """Waits until the disk has the file's bytes."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Waits until the disk has the folder's entries."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of_file(path: Path) -> str:
    """Hexadecimal hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(content: Any) -> str:
    """Hexadecimal hash of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
