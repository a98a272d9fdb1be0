"""Finds a complete training state on disk, without reading it: no torch is loaded."""

from pathlib import Path
from typing import TypedDict

from teachers.plain_values import read_json_file

from .files import swap_folders


class _State(TypedDict):
    parts: dict[str, int]


def find_checkpoint(path: Path) -> Path | None:
    """The complete checkpoint for `path`: itself, or one that an interrupted swap left beside it.

    None if there is no complete one.
    """
    for folder in (path, *swap_folders(path)):
        if is_whole(folder):
            return folder
    return None


def is_whole(folder: Path) -> bool:
    """Whether a folder is a complete checkpoint: state.json is written last, so all parts exist
    beside it; sizes detect incomplete copies, and folders that are being removed.
    """
    try:
        sizes = read_json_file(folder / "state.json", _State)["parts"]
        return all((folder / part).stat().st_size == size for part, size in sizes.items())
    except (OSError, ValueError):
        return False
