"""Finds a complete training state on disk, without reading it: no torch is loaded."""

import json
from pathlib import Path

from .files import swap_folders


def find_checkpoint(path: Path) -> Path | None:
    """The complete checkpoint for `path`: itself, or one that an interrupted swap left beside it.

    None if there is no complete one.
    """
    for folder in (path, *swap_folders(path)):
        if _is_whole(folder):
            return folder
    return None


def _is_whole(folder: Path) -> bool:
    """state.json is written last, so all parts exist beside it; sizes detect incomplete copies."""
    try:
        sizes = json.loads((folder / "state.json").read_text())["parts"]
        return all((folder / part).stat().st_size == size for part, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
