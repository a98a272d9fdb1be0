"""Softplus with its gradient in kernels."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import activation_kernels
from .threads import in_parallel, slices
from .vectors import LANES

NUMBERS_AT_ONCE = 1 << 16
"""Numbers of a piece of work."""


def covers(x: Tensor) -> bool:
    """Contiguous float32 on a CPU, in a plain tensor, in whole vectors."""
    return (
        type(x) is Tensor
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.is_contiguous()
        and x.numel() % LANES == 0
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()  # type: ignore[no-untyped-call]
    )


def softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)) (see `covers`); its gradient can be differentiated again."""
    if not (torch.is_grad_enabled() and x.requires_grad):
        return _softplus(x)
    y: Tensor = _Softplus.apply(x)  # type: ignore[no-untyped-call]
    return y


class _Softplus(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _softplus(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            return gradient * torch.sigmoid(x)
        slopes = torch.empty_like(x)
        flat = _flat(x), _flat(gradient), _flat(slopes)
        pieces = slices(x.numel(), NUMBERS_AT_ONCE)
        in_parallel(
            lambda number: activation_kernels.softplus_slopes(
                *flat, pieces[number].start, pieces[number].stop
            ),
            len(pieces),
        )
        return slopes


def _softplus(x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    flat = _flat(x), _flat(y)
    pieces = slices(x.numel(), NUMBERS_AT_ONCE)
    in_parallel(
        lambda number: activation_kernels.softplus_of(
            *flat, pieces[number].start, pieces[number].stop
        ),
        len(pieces),
    )
    return y


def _flat(x: Tensor) -> np.ndarray:
    return x.detach().contiguous().view(-1).numpy()
