"""Named tensors as one safetensors file that appears whole or not at all."""

from pathlib import Path

import safetensors.torch
from torch import Tensor

from pipeline.runs.files import write_bytes


def write_tensors(
    path: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Writes tensors of any device; missing folders are made, an older file is replaced at once."""
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    # Not save_file, which makes files that only their owner can read.
    write_bytes(path, safetensors.torch.save(plain, metadata))
