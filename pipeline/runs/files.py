"""Durable files: written beside their place, synced, then renamed; hashes.

After a power cut a file or folder written here is the old one or the new one, never empty. A rename
alone doesn't promise that: the file system may keep the new name before the bytes. So the bytes are
synced first, then the folder that holds the name (fsync(2), rename(2)).
"""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4


@contextmanager
def replaced_file(path: Path, *, synced: bool = True) -> Iterator[Path]:
    """A temporary path beside `path`; what is written there replaces `path`.

    On an error the temporary file is removed and `path` stays as it was. A kill leaves
    `.NAME.*.tmp` behind.

    Args:
        path: the file; missing folders are made.
        synced: wait for the disk. Without, readers still see the old file or the new one, but a
            power cut may leave an empty one: for files that can be made again.
    """
    temporary = _temporary(path)
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if synced:
                sync_file(temporary)
            temporary.replace(path)
            if synced:
                sync_folder(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


@contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """An empty temporary folder beside `path`; what is written there replaces `path` as a whole.

    For one writer at a time. A folder can't be renamed over a full one, so there is an instant
    between two renames when the old one is `NAME~previous` and the new one `NAME~writing`. After a
    kill in that instant the next writer completes the swap (`finish_folder_swap`).
    """
    with naming(path):
        finish_folder_swap(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        writing, previous = swap_folders(path)
        writing.mkdir()
        try:
            yield writing
            for found in (*writing.rglob("*"), writing):
                sync_folder(found) if found.is_dir() else sync_file(found)
        except BaseException:
            shutil.rmtree(writing, ignore_errors=True)
            raise
        if path.exists():
            path.rename(previous)
        writing.rename(path)
        sync_folder(path.parent)
        shutil.rmtree(previous, ignore_errors=True)


def swap_folders(path: Path) -> tuple[Path, Path]:
    """The names beside a folder under which its successor is written and its predecessor moved."""
    return path.with_name(f"{path.name}~writing"), path.with_name(f"{path.name}~previous")


def finish_folder_swap(path: Path) -> None:
    """Completes a swap that a kill interrupted between its two renames; removes leftovers.

    Only a writer may call it: what another process is writing counts as a leftover.
    """
    writing, previous = swap_folders(path)
    if previous.exists() and not path.exists():
        # The predecessor is moved only after the successor has been synced.
        (writing if writing.exists() else previous).rename(path)
        sync_folder(path.parent)
    shutil.rmtree(writing, ignore_errors=True)
    shutil.rmtree(previous, ignore_errors=True)


def created_file(path: Path, content: bytes) -> bool:
    """Creates a file as a whole unless there is one; of several processes one succeeds.

    Uses a hard link: unlike a rename it fails if the name is taken, also on network file systems.

    Returns:
        whether it was created.
    """
    temporary = _temporary(path)
    with naming(path):
        try:
            temporary.write_bytes(content)
            sync_file(temporary)
            os.link(temporary, path)
        except FileExistsError:
            return False
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)
    return True


def write_bytes(path: Path, content: bytes) -> None:
    """Replaces a file."""
    with replaced_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Replaces a file by UTF-8 text; bytes of a file name that are no UTF-8 become escapes."""
    write_bytes(path, _encoded(text))


def write_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Replaces files of a folder: all are written before the first gets its name."""
    with ExitStack() as together:
        for name, text in texts.items():
            temporary = together.enter_context(replaced_file(folder / name))
            temporary.write_bytes(_encoded(text))


def write_json(path: Path, content: Any, *, indent: int | None = 2, allow_nan: bool = True) -> None:
    """Replaces a file by JSON.

    Args:
        path: the file.
        content: plain values.
        indent: see `json.dumps`.
        allow_nan: False raises ValueError for a number that isn't finite, which only Python reads.
    """
    text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=allow_nan)
    if not _is_unicode(text):  # a file name that is no UTF-8: escaped, it is read back as it was
        text = json.dumps(content, indent=indent, allow_nan=allow_nan)
    write_text(path, f"{text}\n")


def sync_file(path: Path) -> None:
    """Waits until the disk has the file's bytes."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Waits until the disk has the folder's entries, where the file system can say so."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems sync no folders
            raise
    finally:
        os.close(descriptor)


def sha256_of_file(path: Path) -> str:
    """Hexadecimal hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_json(content: Any) -> str:
    """Hexadecimal hash of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _encoded(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Errors of the system name `path`: not a temporary file, and not nothing, as those of a full
    disk do. Errors that safetensors has of its own for what the system says become the system's.
    """
    try:
        yield
    except OSError as error:
        named = str(error.filename or "")
        is_ours = not named or Path(named).name.startswith(f".{path.name}"[:_NAME_KEPT])
        if is_ours and error.errno is not None:
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise
    except Exception as error:
        found = _OF_RUST.search(str(error))
        if found is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number), str(path)) from error


_OF_RUST = re.compile(r"\(os error (\d+)\)")
"""How programs in Rust end what they say about an error of the system."""


_NAME_KEPT = 48
"""Characters of a file's name in that of its temporary file, which may be as long as any."""


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name[:_NAME_KEPT]}.{uuid4().hex[:12]}.tmp")
