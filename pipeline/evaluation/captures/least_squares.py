"""Levenberg-Marquardt with finite differences (Nocedal and Wright 2006, section 10.3), for few
parameters and residuals that are whole images.
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

Residuals = Callable[[Float[Tensor, " number"]], Float[Tensor, " residual"]]


def minimise(
    residuals: Residuals,
    start: Float[Tensor, " number"],
    *,
    step: float = 1e-2,
    rounds: int = 12,
    damping: float = 1e-2,
    patience: int = 4,
) -> Float[Tensor, " number"]:
    """A local minimum of the sum of squared residuals; never worse than the start.

    Args:
        residuals: parameters → residuals.
        start: initial parameters, scaled so that `step` suits all of them.
        step: of the central differences.
        rounds: largest number of Jacobians.
        damping: initial.
        patience: largest number of increases of the damping in a round.
    """
    best, at = start.double(), residuals(start.double()).double()
    for _ in range(rounds):
        slopes = torch.stack([_slope(residuals, best, axis, step) for axis in range(len(best))], 1)
        normal, gradient = slopes.mT @ slopes, slopes.mT @ at
        for _ in range(patience):
            damped = normal + damping * normal.diagonal().clamp(min=1e-12).diag()
            tried = best - torch.linalg.solve(damped, gradient)
            there = residuals(tried).double()
            if there.square().sum() < at.square().sum():
                damping = max(damping / 5, 1e-7)
                break
            damping *= 6
        else:
            return best
        moved = (tried - best).abs().max()
        best, at = tried, there
        if moved < step * 1e-2:
            return best
    return best


def _slope(residuals: Residuals, at: Tensor, axis: int, step: float) -> Tensor:
    offset = torch.zeros_like(at)
    offset[axis] = step
    return (residuals(at + offset).double() - residuals(at - offset).double()) / (2 * step)
