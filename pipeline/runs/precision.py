"""Reduced precision is a property of the machine: what a device has, and what a run computes in.

A processor for which oneDNN has no bfloat16 emulates it: convolutions and matrix products take 70
to 250 times as long as in float32, without a warning.
"""

import os
from collections.abc import Sequence
from typing import Any

import torch

EMULATE = "TRILIFT_EMULATE_BFLOAT16"
"""Environment variable: 1 lets runs emulate bfloat16."""


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16, rather than emulating it."""
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return True


def require_bfloat16(settings: Sequence[str], device: torch.device) -> None:
    """Checks that a device has what a configuration asks for.

    Args:
        settings: dotted keys that ask for bfloat16; none: nothing is checked.
        device: that will compute.

    Raises:
        ValueError: it only emulates bfloat16, and `EMULATE` isn't set.
    """
    if not settings or os.environ.get(EMULATE) == "1" or has_bfloat16(device):
        return
    kind = "processor" if device.type == "cpu" else "GPU"
    raise ValueError(
        f"{', '.join(f'{key}=true' for key in settings)} asks for bfloat16, which this {kind}"
        f" emulates, 70 to 250 times slower than float32: give"
        f" {' '.join(f'{key}=false' for key in settings)}, or set {EMULATE}=1 to emulate it"
    )


def effective_precision(settings: Sequence[str], device: torch.device) -> dict[str, Any]:
    """What is computed in which precision, as plain values.

    Args:
        settings: dotted keys that ask for bfloat16.
        device: that computes.
    """
    has_tf32 = device.type == "cuda" and torch.backends.cudnn.allow_tf32
    rest = "float32 (convolutions in TF32)" if has_tf32 else "float32"
    how = "bfloat16" if has_bfloat16(device) else "emulated bfloat16"
    return {**dict.fromkeys(settings, how), "all else" if settings else "all": rest}
