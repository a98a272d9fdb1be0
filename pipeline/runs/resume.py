"""Training state on disk: a folder of safetensors parts and one JSON file, replaced as a whole and
never unpickled.
"""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, TypeVar

import safetensors.torch
import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO
from safetensors import SafetensorError, safe_open
from torch import Tensor

from teachers.plain_values import read_json_file, require_shape

from .complete_checkpoint import find_checkpoint, is_whole
from .files import replaced_folder, swap_folders, sync_file, sync_folder
from .state_tree import StateWriter, decode

log = logging.getLogger(__name__)

Content = TypeVar("Content")

STATE_FORMAT = 1
PART_BYTES = 15_000_000
"""Tensor bytes of a part: with its header it stays below 16 MB, for hosts that limit files."""

_ATTEMPTS = 20  # between the two renames of a save, no complete checkpoint can be found
_NAME_LENGTH = 120
_HEADER_BYTES = 512  # upper bound of one tensor's entry in the header, its name being cut


class SafetensorsCheckpointIO(CheckpointIO):
    """Lightning plugin: checkpoints are folders `part-000.safetensors`, …, `state.json`.

    At every moment, a complete checkpoint exists under the path or beside it (`~writing`,
    `~previous`), and `load_checkpoint` finds it: a kill during a save leaves the previous one.
    """

    def __init__(self, *, part_bytes: int = PART_BYTES) -> None:
        if part_bytes < 1024:
            raise ValueError(f"part_bytes is {part_bytes}: a part must hold at least 1024 bytes")
        self.part_bytes = part_bytes

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Writes the folder, then puts it in the place of the one before.

        Raises:
            TypeError: the state holds an object that cannot be saved without pickle; the key path
                is named.
            OSError: no room or no permission; the previous checkpoint is untouched.
        """
        target = Path(path)
        _finish_interrupted_swap(target)
        try:
            with replaced_folder(target) as writing:
                self._write(checkpoint, writing)
        except OSError as error:
            kept = (
                "the previous checkpoint there is untouched"
                if target.exists()
                else "nothing was there before"
            )
            raise OSError(
                error.errno,
                f"cannot save the training state to {target}: {error.strerror or error}; {kept}",
            ) from error

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads the newest complete checkpoint at `path` (on the CPU unless `map_location` is a
        device), also while a run replaces it.

        Raises:
            FileNotFoundError: there is no complete checkpoint.
            ValueError: the folder is not of this format.
        """
        state = _read_newest(Path(path), lambda folder: read_state(folder, map_location))
        if state is None:
            raise FileNotFoundError(
                f"no complete training state at {path}: expected a folder with state.json and"
                " every part that it names"
            )
        return state

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes the folder and what an interrupted save may have left beside it."""
        for folder in (Path(path), *swap_folders(Path(path))):
            shutil.rmtree(folder, ignore_errors=True)

    def _write(self, checkpoint: dict[str, Any], folder: Path) -> None:
        writer = StateWriter()
        tree = writer.encode(checkpoint)
        index: dict[str, Any] = {
            name: {"shape": list(tensor.shape), "pieces": []}
            for name, tensor in writer.tensors.items()
        }
        sizes: dict[str, int] = {}
        for number, pieces in enumerate(_parts(writer.tensors, self.part_bytes)):
            part = f"part-{number:03d}.safetensors"
            content = safetensors.torch.save({piece.key: piece.values for piece in pieces})
            (folder / part).write_bytes(content)
            sync_file(folder / part)  # before state.json, which says that all parts are there
            sizes[part] = len(content)
            for piece in pieces:
                index[piece.name]["pieces"].append([part, piece.key])
        record = {"format": STATE_FORMAT, "parts": sizes, "tensors": index, "state": tree}
        (folder / "state.json").write_text(json.dumps(record))


class _State(TypedDict):
    parts: dict[str, int]
    tensors: dict[str, Any]
    state: dict[str, Any]


def read_state(folder: Path, map_location: Any = None) -> dict[str, Any]:
    """The training state of a complete checkpoint folder."""
    record = _read_record(folder)
    device = str(map_location) if isinstance(map_location, str | torch.device) else "cpu"
    loaded: dict[str, Tensor] = {}

    def tensor(name: str) -> Tensor:
        if name not in loaded:
            entry = record["tensors"][name]
            pieces = [files[part].get_tensor(key) for part, key in entry["pieces"]]
            loaded[name] = (pieces[0] if len(pieces) == 1 else torch.cat(pieces)).reshape(
                entry["shape"]
            )
        return loaded[name]

    try:
        files = {part: safe_open(folder / part, "pt", device=device) for part in record["parts"]}
        return decode(record["state"], tensor)
    except (KeyError, SafetensorError) as error:
        raise ValueError(f"{folder} is damaged: {error}") from error


def read_entry(path: Path, key: str) -> Any:
    """One entry without tensors of the newest complete training state at `path`, also while a run
    replaces it; None if absent.
    """
    record = _read_newest(path, _read_record)
    entries = {} if record is None else dict(record["state"]["$dict"])
    return decode(entries[key], _no_tensor) if key in entries else None


def _read_newest(path: Path, read: Callable[[Path], Content]) -> Content | None:
    """What `read` makes of the newest complete checkpoint at `path`; None if there is none."""
    while True:
        attempts = (find_checkpoint(path) for _ in range(_ATTEMPTS))
        folder = next((found for found in attempts if found is not None), None)
        if folder is None:
            return None
        before = _identity(folder)
        try:
            content = read(folder)
        except (OSError, RuntimeError, ValueError):
            # a folder that is being removed keeps its state.json longer than some parts
            if before is not None and _identity(folder) == before and is_whole(folder):
                raise
        else:
            if _identity(folder) == before:
                return content


def _read_record(folder: Path) -> dict[str, Any]:
    path = folder / "state.json"
    advice = "remove the folder, or copy it again"
    record = read_json_file(path, dict[str, Any], advice)
    if record.get("format") != STATE_FORMAT:
        raise ValueError(
            f"{path} has training state format {record.get('format')!r}, this trilift reads"
            f" {STATE_FORMAT}"
        )
    require_shape(record, _State, str(path), advice)
    return record


def _no_tensor(name: str) -> Tensor:
    raise ValueError(f"the entry holds the tensor {name}: read the full state")


def _identity(folder: Path) -> tuple[int, int] | None:
    """Changes when the folder is replaced by another."""
    try:
        found = (folder / "state.json").stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


class _Piece(NamedTuple):
    """Consecutive elements of a flattened tensor.

    Attributes:
        name: of the tensor in the state.
        key: in the safetensors file.
        values: the elements.
    """

    name: str
    key: str
    values: Tensor


def _pieces(tensors: dict[str, Tensor], limit: int) -> Iterator[_Piece]:
    for name, tensor in tensors.items():
        flat = tensor.reshape(-1)
        length = max(1, (limit - _HEADER_BYTES) // flat.element_size())
        for number, start in enumerate(range(0, max(1, len(flat)), length)):
            yield _Piece(
                name,
                f"{name[:_NAME_LENGTH]}|{number}",
                flat[start : start + length].to("cpu", copy=True),
            )


def _parts(tensors: dict[str, Tensor], limit: int) -> Iterator[list[_Piece]]:
    """Pieces grouped so that each group stays within `limit` bytes, header included."""
    part: list[_Piece] = []
    used = 0
    for piece in _pieces(tensors, limit):
        size = piece.values.numel() * piece.values.element_size() + _HEADER_BYTES
        if part and used + size > limit:
            yield part
            part, used = [], 0
        part.append(piece)
        used += size
    if part:
        yield part


def _finish_interrupted_swap(target: Path) -> None:
    """Moves a complete checkpoint back to `target` after a kill between the two renames."""
    found = find_checkpoint(target)
    if found is not None and found != target:
        log.warning("the last save of %s was interrupted: taking %s", target, found.name)
        shutil.rmtree(target, ignore_errors=True)
        found.rename(target)
        sync_folder(target.parent)
