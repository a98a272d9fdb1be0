"""Softplus with its gradient in kernels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from . import activation_kernels
from .lookup import is_plain
from .threads import in_parallel, slices
from .vectors import LANES

NUMBERS_AT_ONCE = 1 << 16
"""Numbers of a piece of work."""


def covers(x: Tensor) -> bool:
    """Contiguous float32 on a CPU, in a plain tensor."""
    return is_plain(x) and x.is_contiguous()


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
        _apply(activation_kernels.softplus_slopes, x, gradient, slopes)
        return slopes


def _softplus(x: Tensor) -> Tensor:
    y = torch.empty_like(x)
    _apply(activation_kernels.softplus_of, x, y)
    return y


def _apply(kernel: Callable[..., None], *tensors: Tensor) -> None:
    """Calls a kernel for whole vectors of contiguous numbers; the last few are copied to one."""
    flat = [tensor.detach().contiguous().view(-1).numpy() for tensor in tensors]
    whole = len(flat[0]) // LANES * LANES
    pieces = slices(whole, NUMBERS_AT_ONCE)
    in_parallel(
        lambda number: kernel(*flat, pieces[number].start, pieces[number].stop), len(pieces)
    )
    if whole < len(flat[0]):
        last = [np.resize(numbers[whole:], LANES) for numbers in flat]
        kernel(*last, 0, LANES)
        flat[-1][whole:] = last[-1][: len(flat[0]) - whole]
