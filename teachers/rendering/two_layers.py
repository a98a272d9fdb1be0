"""A decoder as the fast kernels take it: two layers, and a prior for the density."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

LANES = 16
"""Colours are padded to whole vectors of the kernels."""


@dataclass(frozen=True)
class TwoLayers:
    """Linear, softplus, linear: the first output is the density logit, the others, through a
    sigmoid widened by a thousandth at both ends, the colours.

    Attributes:
        hidden_weight, hidden_bias, output_weight, output_bias: effective weights.
        logit_gain: factor on the density output where there is a prior.
        ellipsoids: centre and semi-axes of the prior's ellipsoids, solid ones last.
        solids: how many are solid.
        slopes: slope, lowest and highest logit, slope of solids.
        density_gain: of `ShiftedSoftplus`.
    """

    hidden_weight: Float[Tensor, "hidden channel"]
    hidden_bias: Float[Tensor, " hidden"]
    output_weight: Float[Tensor, "output hidden"]
    output_bias: Float[Tensor, " output"]
    logit_gain: float = 1.0
    ellipsoids: Float[Tensor, "row 6"] | None = None
    solids: int = 0
    slopes: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    density_gain: float = 1.0

    @property
    def parameters(self) -> tuple[Tensor, ...]:
        """The tensors that may need a gradient."""
        return self.hidden_weight, self.hidden_bias, self.output_weight, self.output_bias

    def arguments(self) -> tuple[tuple[Any, ...], ...]:
        """Hidden layer, density, layer of colours and prior, as `march_kernels` takes them."""
        hidden, bias, output, output_bias = (tensor.detach() for tensor in self.parameters)
        with torch.autocast("cpu", enabled=False):  # the kernels take float32
            empty = F.linear(F.softplus(bias), output, output_bias)
        padding = -(len(output_bias) - 1) % LANES

        def padded(tensor: Tensor) -> np.ndarray:
            return F.pad(tensor, (0, padding)).contiguous().flatten().numpy()

        rows = output.new_zeros(0, 6) if self.ellipsoids is None else self.ellipsoids
        return (
            (hidden.mT.contiguous().flatten().numpy(), bias.contiguous().numpy()),
            (
                output[0].contiguous().numpy(),
                np.array([output_bias[0], empty[0]], np.float32),
                np.float32(self.logit_gain),
            ),
            (padded(output[1:].mT), padded(output_bias[1:]), padded(empty[1:].sigmoid())),
            (
                np.array(self.slopes, np.float32),
                rows.detach().contiguous().numpy(),
                len(rows) - self.solids,
            ),
        )
