"""Parts of StyleGAN2's layers for batches and with gradients: what surrounds the convolutions, one
pass over memory each.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.fast.threads import in_parallel, slices

from . import activation_kernels, small_kernels

PIXELS_AT_ONCE = 1024
"""Pixels of a piece of work."""


def activate(
    x: Float[Tensor, "batch channel height width"],
    scale: Float[Tensor, "batch channel"] | None,
    bias: Float[Tensor, " channel"] | None,
    *,
    leak: float = 1.0,
    gain: float = 1.0,
    clamp: float | None = None,
) -> Float[Tensor, "batch channel height width"]:
    """`gain` times the leaky ReLU of scale · x + bias, clamped to ± `clamp` (see `fast.covers`)."""
    y: Tensor = _Activate.apply(x, scale, bias, leak, gain, clamp)  # type: ignore[no-untyped-call]
    return y


class _Activate(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor | None,
        bias: Tensor | None,
        leak: float,
        gain: float,
        clamp: float | None,
    ) -> Tensor:
        ctx.save_for_backward(x, scale, bias)
        ctx.settings = leak, gain, clamp
        y = torch.empty_like(x)
        given = _arguments(x, scale, bias, leak, gain, clamp)
        flat = _flat(y)
        _for_pixels(
            x,
            lambda row, pixels: activation_kernels.activate(
                *given, flat, row, x[0, 0].numel(), pixels.start, pixels.stop
            ),
        )
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, bias = ctx.saved_tensors
        needed = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            return *_again(_activated, (x, scale, bias), needed, gradient, *ctx.settings), *[
                None
            ] * 3
        given = _arguments(x, scale, bias, *ctx.settings)
        to_x, channels = torch.empty_like(x), x.shape[1]
        gradients, flat = _flat(gradient), _flat(to_x)
        count = len(slices(x[0, 0].numel(), PIXELS_AT_ONCE))
        sums = np.zeros((2, len(x), count, channels), np.float32)
        _for_pixels(
            x,
            lambda row, pixels: activation_kernels.activate_slopes(
                *given, gradients, flat,
                *sums[:, row, pixels.start // PIXELS_AT_ONCE], row, x[0, 0].numel(),
                pixels.start, pixels.stop,
            ),
        )  # fmt: skip
        to_scale, to_bias = torch.from_numpy(sums).sum(2)
        slopes = to_x, to_scale, to_bias.sum(0)
        return (
            *(one if is_needed else None for one, is_needed in zip(slopes, needed, strict=True)),
            None,
            None,
            None,
        )


def _activated(
    x: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    leak: float,
    gain: float,
    clamp: float | None,
) -> Tensor:
    """`activate` in PyTorch's own operators."""
    if scale is not None:
        x = x * scale[:, :, None, None]
    if bias is not None:
        x = x + bias[:, None, None]
    x = F.leaky_relu(x, leak) * gain
    return x if clamp is None else x.clamp(-clamp, clamp)


def upsample(
    x: Float[Tensor, "batch channel height width"], readable: Callable[[Tensor], Tensor]
) -> Tensor:
    """`resampling.upsample` (see `fast.covers`); `readable` is the code that it equals."""
    y: Tensor = _Upsample.apply(x, readable)  # type: ignore[no-untyped-call]
    return y


class _Upsample(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, readable: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(x)
        ctx.readable = readable
        batch, channels, height, width = x.shape
        big = x.new_zeros(batch, 2 * height, 2 * width, channels).permute(0, 3, 1, 2)
        small, flat = _flat(x).reshape(batch, -1), _flat(big).reshape(batch, -1)
        _for_lines(
            batch,
            2 * height,
            lambda row, lines: small_kernels.add_upsampled(
                small[row], height, width, channels, flat[row], lines.start, lines.stop
            ),
        )
        return big

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, None]:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradient itself will be differentiated
            return _again(ctx.readable, (x,), (True,), gradient)[0], None
        batch, channels, height, width = x.shape
        to_x = torch.empty_like(x)
        big, flat = _flat(gradient).reshape(batch, -1), _flat(to_x).reshape(batch, -1)
        _for_lines(
            batch,
            height,
            lambda row, lines: activation_kernels.gather_upsampled(
                big[row], height, width, channels, flat[row], lines.start, lines.stop
            ),
        )
        return to_x, None


def pointwise(
    x: Float[Tensor, "batch channel height width"],
    weight: Float[Tensor, "out channel 1 1"],
    bias: Float[Tensor, " out"] | None = None,
) -> Float[Tensor, "batch out height width"]:
    """A 1x1 convolution, as the product that it is (see `fast.covers`)."""
    return F.linear(x.permute(0, 2, 3, 1), weight[:, :, 0, 0], bias).permute(0, 3, 1, 2)


def _arguments(
    x: Tensor,
    scale: Tensor | None,
    bias: Tensor | None,
    leak: float,
    gain: float,
    clamp: float | None,
) -> tuple[Any, ...]:
    """Image, scales, biases, slopes and limit, as kernels take them."""
    batch, channels = x.shape[:2]
    scales = torch.ones(batch, channels) if scale is None else scale.detach().contiguous()
    biases = torch.zeros(channels) if bias is None else bias.detach().contiguous()
    limit = np.inf if clamp is None else clamp
    return (
        _flat(x), scales.view(-1).numpy(), biases.numpy(),
        np.array([leak * gain, gain], np.float32), np.float32(limit),
    )  # fmt: skip


def _again(
    readable: Callable[..., Tensor],
    inputs: tuple[Tensor | None, ...],
    needed: tuple[bool, ...],
    gradient: Tensor,
    *settings: Any,
) -> tuple[Tensor | None, ...]:
    """The gradient of the readable code, with a graph."""
    wanted = [one for one, is_needed in zip(inputs, needed, strict=True) if is_needed]
    found = iter(
        torch.autograd.grad(readable(*inputs, *settings), wanted, gradient, create_graph=True)  # type: ignore[arg-type]
    )
    return tuple(next(found) if is_needed else None for is_needed in needed)


def _flat(x: Tensor) -> np.ndarray:
    """The numbers of an image in the order of channels last."""
    return x.detach().permute(0, 2, 3, 1).contiguous().view(-1).numpy()


def _for_pixels(x: Tensor, work: Callable[[int, slice], None]) -> None:
    _for_pieces(len(x), x[0, 0].numel(), PIXELS_AT_ONCE, work)


def _for_lines(batch: int, lines: int, work: Callable[[int, slice], None]) -> None:
    _for_pieces(batch, lines, 32, work)


def _for_pieces(batch: int, length: int, size: int, work: Callable[[int, slice], None]) -> None:
    pieces = [(row, piece) for row in range(batch) for piece in slices(length, size)]
    in_parallel(lambda number: work(*pieces[number]), len(pieces))
