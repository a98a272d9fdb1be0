"""StyleGAN2's layers on a CPU: what the layers beside it compute, faster.

Chosen by `teachers.kernels`; equal to the readable layers within the tolerances of its tests.
"""

import torch
from torch import Tensor

from teachers.kernels import fast_kernels


def applies(x: Tensor, dtype: torch.dtype = torch.float32) -> bool:
    """Whether fast kernels are chosen, and what is computed is float32 on a CPU without gradients.

    Not for tensors that a compiler or an exporter traces.
    """
    return (
        fast_kernels()
        and type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype == dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
    )


CHANNELS_AT_ONCE = 16
"""Channels of a vector of the kernels."""


FEWEST_NUMBERS = 1 << 17
"""Smaller images are in the cache, where torch's operators one by one are as fast as a kernel."""


def covers_large(x: Tensor) -> bool:
    """`covers`, and not so small that it doesn't pay."""
    return fast_kernels() and x.numel() >= FEWEST_NUMBERS and covers(x)


def covers(x: Tensor) -> bool:
    """Whether fast kernels are chosen, and for this: plain float32 channels-last images on a CPU,
    with whole vectors of channels.
    """
    return (
        fast_kernels()
        and type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.shape[1] % CHANNELS_AT_ONCE == 0
        and x.numel() > 0
        and x.stride(1) == 1
        and x.is_contiguous(memory_format=torch.channels_last)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[no-untyped-call]
    )
