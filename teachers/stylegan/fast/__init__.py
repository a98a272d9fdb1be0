"""StyleGAN2's synthesis without gradients on a CPU: what the layers beside it compute, faster.

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
