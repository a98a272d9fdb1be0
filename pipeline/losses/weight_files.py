"""Weights of published networks: local files that a user fetches once. Nothing is downloaded."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from pipeline.runs.files import sha256_of_file

log = logging.getLogger(__name__)

HASH_IN_NAME = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
"""torch.hub's convention: vgg16-397923af.pth has a SHA-256 that begins with 397923af."""


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Attributes:
        name: of the file in the weights folder (or an absolute path).
        contents: what it holds, for messages.
        source: where it is published, and under which terms.
        sha256: its hash or the beginning of that; None: the digits in a name like
            vgg16-397923af.pth.
        elsewhere: other places to look at, in order: a download folder, an installed package.
        converted: the same weights as `trilift weights` writes them, in the weights folder.
    """

    name: str
    contents: str
    source: str
    sha256: str | None = None
    elsewhere: tuple[Path, ...] = ()
    converted: "WeightFile | None" = None

    @property
    def expected_sha256(self) -> str:
        """What the hash must begin with; empty if nothing is known."""
        if self.sha256 is not None:
            return self.sha256.lower()
        found = HASH_IN_NAME.search(self.name)
        return found[1] if found else ""

    def find(self, folder: Path) -> Path | None:
        """The file, in the weights folder or elsewhere."""
        names = [self.name, *([] if self.converted is None else [self.converted.name])]
        places = [*(folder / name for name in names), *self.elsewhere]
        return next((path for path in places if path.is_file()), None)


def require_weights(files: Sequence[WeightFile], folder: Path) -> list[Path]:
    """The paths of files that a run needs. Their hashes are checked, or logged if none is known.

    Raises:
        FileNotFoundError: some are missing: names, hashes, where they go and where they come from,
            in one message.
        ValueError: a file is another one than expected.
    """
    paths = [file.find(folder) for file in files]
    missing = [file for file, path in zip(files, paths, strict=True) if path is None]
    if missing:
        lines = "\n".join(
            f"  {file.name}: {file.contents}, {_hash_text(file)}\n    from {file.source}"
            for file in missing
        )
        raise FileNotFoundError(
            f"weights are missing in {folder.absolute()}:\n{lines}\nPut them there, or give another"
            " folder with `paths.weights=DIR` (or in the variable TRILIFT_WEIGHTS)."
        )
    found = [path for path in paths if path is not None]
    for file, path in zip(files, found, strict=True):
        _require_hash(file, path)
    return found


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors file or of a state dict that torch.save wrote, by name; no code
    in it is executed.

    Raises:
        ValueError: it is damaged, holds other objects, or isn't a dictionary of tensors.
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each reader has its own exceptions for a broken file
        raise ValueError(f"{path} can't be read as network weights: {error}") from error
    if not isinstance(state, dict) or not all(
        isinstance(value, Tensor) for value in state.values()
    ):
        raise ValueError(
            f"{path} holds {_describe(state)}, expected a state dict (names and tensors)"
        )
    return {str(name): value.detach() for name, value in state.items()}


def fitting_weights(path: Path, network: nn.Module, contents: str) -> dict[str, Tensor]:
    """The tensors of a file for every weight of a network, in single precision. Batch counters
    (`num_batches_tracked`), which evaluation doesn't use, are the network's own.

    Args:
        path: see `read_weights`; it may hold more.
        network: whose names and shapes must be there.
        contents: what the file should hold, for the message.

    Raises:
        ValueError: a tensor is missing or of another shape.
    """
    published, own = read_weights(path), network.state_dict()
    needed = [name for name in own if not name.endswith("num_batches_tracked")]
    wrong = [
        name for name in needed if name not in published or published[name].shape != own[name].shape
    ]
    if wrong:
        raise ValueError(
            f"{path} is not {contents}: {', '.join(wrong[:3])} ({len(wrong)} of {len(needed)}"
            " tensors) missing or of another shape"
        )
    return own | {name: published[name].float() for name in needed}


def shipped_with_torchmetrics(name: str) -> Path:
    """The path of a file in torchmetrics' `functional/image` folder."""
    spec = find_spec("torchmetrics")
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent / "functional" / "image" / name


def _require_hash(file: WeightFile, path: Path) -> None:
    if file.converted is not None and path.name == file.converted.name:
        file = file.converted
    actual = sha256_of_file(path)
    if not actual.startswith(file.expected_sha256):
        raise ValueError(
            f"{path} is not {file.contents}: its sha256 is {actual}, expected {_hash_text(file)};"
            f" fetch it again from {file.source}, or name another file with its own hash in the"
            " loss's `file` and `sha256`"
        )
    if not file.expected_sha256:
        log.info(
            "%s: %s, sha256 %s (not checked: give it as `sha256` to have it enforced)",
            path,
            file.contents,
            actual,
        )


def _hash_text(file: WeightFile) -> str:
    expected = file.expected_sha256
    if not expected:
        return "sha256 not known here"
    return f"sha256 {expected}" if len(expected) == 64 else f"sha256 {expected}…"


def _describe(state: object) -> str:
    if not isinstance(state, dict):
        return f"a {type(state).__name__}"
    return "a dictionary with " + ", ".join(
        sorted({type(value).__name__ for value in state.values()})
    )
