"""`compositing.composite` in kernels, with gradients to features and density logits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..density import DensityActivation, ShiftedSoftplus
from . import compositing_kernels
from .lookup import is_plain
from .threads import in_parallel, slices

RAYS_AT_ONCE = 1024
"""Rays of a piece of work."""

Readable = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


def covers(features: Tensor, logits: Tensor, depths: Tensor, activation: DensityActivation) -> bool:
    """Float32 on a CPU in plain tensors, EG3D's activation, and depths without gradient."""
    return (
        type(activation) is ShiftedSoftplus
        and depths.shape[-1] > 1
        and all(is_plain(tensor) for tensor in (features, logits, depths))
        and not (torch.is_grad_enabled() and depths.requires_grad)
    )


def composite(
    features: Tensor, logits: Tensor, depths: Tensor, gain: float, readable: Readable
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, depth and weights of a `Composite` (see `covers`).

    Their gradient can be differentiated again: it is then that of `readable`, which takes features
    and logits.
    """
    sums: tuple[Tensor, Tensor, Tensor] = _Composite.apply(features, logits, depths, gain, readable)  # type: ignore[no-untyped-call]
    return sums


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, features: Tensor, logits: Tensor, depths: Tensor, gain: float, readable: Readable
    ) -> tuple[Tensor, Tensor, Tensor]:
        batch, ray, sample, channel = features.shape
        sums, depth = features.new_empty(batch, ray, channel), features.new_empty(batch, ray)
        weights = features.new_empty(batch, ray, sample - 1)
        given = tuple(_rays(tensor) for tensor in (features, logits, depths))
        made = tuple(_rays(tensor) for tensor in (sums, depth, weights))
        _for_rays(
            batch * ray,
            lambda rays: compositing_kernels.composite(
                *given, np.float32(gain), *made, compositing_kernels.new_room(sample),
                rays.start, rays.stop,
            ),
        )  # fmt: skip
        ctx.save_for_backward(features, logits, depths, weights)
        ctx.gain, ctx.readable = gain, readable
        return sums, depth, weights

    @staticmethod
    def backward(
        ctx: Any, to_sums: Tensor, to_depth: Tensor, to_weights: Tensor
    ) -> tuple[Tensor | None, Tensor | None, None, None, None]:
        features, logits, depths, weights = ctx.saved_tensors
        needed = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            gradients = (to_sums, to_depth, to_weights)
            return *_again(ctx.readable, (features, logits), needed, gradients), None, None, None
        feature_slopes = torch.empty_like(features, memory_format=torch.contiguous_format)
        logit_slopes = torch.empty_like(logits, memory_format=torch.contiguous_format)
        given = tuple(_rays(tensor) for tensor in (features, logits, depths))
        slopes = tuple(_rays(tensor) for tensor in (to_sums, to_depth, to_weights))
        made = _rays(weights), slopes, _rays(feature_slopes), _rays(logit_slopes)
        _for_rays(
            len(given[1]),
            lambda rays: compositing_kernels.composite_slopes(
                *given, np.float32(ctx.gain), *made,
                compositing_kernels.new_room(depths.shape[-1]), rays.start, rays.stop,
            ),
        )  # fmt: skip
        return feature_slopes, logit_slopes, None, None, None


def _again(
    readable: Readable,
    inputs: tuple[Tensor, Tensor],
    needed: tuple[bool, bool],
    gradients: tuple[Tensor, Tensor, Tensor],
) -> tuple[Tensor | None, Tensor | None]:
    """The gradient of the readable code, with a graph."""
    wanted = [tensor for tensor, is_needed in zip(inputs, needed, strict=True) if is_needed]
    found = iter(
        torch.autograd.grad(
            readable(*inputs), wanted, gradients, create_graph=True, allow_unused=True
        )
    )
    to_features, to_logits = (next(found) if is_needed else None for is_needed in needed)
    return to_features, to_logits


def _for_rays(count: int, work: Callable[[slice], None]) -> None:
    pieces = slices(count, RAYS_AT_ONCE)
    in_parallel(lambda number: work(pieces[number]), len(pieces))


def _rays(tensor: Tensor) -> np.ndarray:
    """Batch and rays as one axis."""
    return tensor.detach().contiguous().flatten(0, 1).numpy()
