"""Named tensors as one safetensors file that appears whole or not at all."""

import os
from pathlib import Path

import safetensors.torch
from torch import Tensor


def write_tensors(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Writes tensors of any device; missing folders are made, an older file is replaced at once."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(
            safetensors.torch.save(plain, metadata)
        )  # save_file would make it unreadable for others
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
