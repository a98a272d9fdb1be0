"""Named tensors as one safetensors file, written atomically."""

from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
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
    write_bytes(path, safetensors.torch.save(plain, metadata))
