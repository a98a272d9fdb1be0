"""Named tensors as one safetensors file, written atomically; equal contents are equal bytes."""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .files import write_bytes


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Writes tensors of any device; creates missing folders, replaces an older file atomically."""
    plain = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
    # safetensors' own save_file makes the file readable for its owner only
    write_bytes(path, _ordered(safetensors.torch.save(plain, metadata)))


def safetensors_metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says besides its tensors, which aren't read.

    Raises:
        ValueError: it is no such file.
    """
    try:
        with safe_open(path, "pt") as file:
            return file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error


def _ordered(file: bytes) -> bytes:
    """The same file with sorted metadata: safetensors writes them in an order that differs from
    process to process (findings/safetensors_metadata_has_no_order.sh).
    """
    end = 8 + int.from_bytes(file[:8], "little")
    header = json.loads(file[8:end])
    if len(header.get("__metadata__", {})) < 2:
        return file
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return len(text).to_bytes(8, "little") + text + file[end:]
