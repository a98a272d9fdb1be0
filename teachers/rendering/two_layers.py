"""A decoder as the fast kernels take it: two layers, and a prior for the density."""

from dataclasses import dataclass, replace
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

    def with_parameters(
        self, hidden_weight: Tensor, hidden_bias: Tensor, output_weight: Tensor, output_bias: Tensor
    ) -> "TwoLayers":
        """Other effective weights."""
        return replace(
            self,
            hidden_weight=hidden_weight,
            hidden_bias=hidden_bias,
            output_weight=output_weight,
            output_bias=output_bias,
        )

    def __call__(
        self, features: Float[Tensor, "batch point channel"], points: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point feature"], Float[Tensor, "batch point 1"]]:
        """Colours and density logits, in PyTorch's own operators."""
        hidden = F.softplus(F.linear(features, self.hidden_weight, self.hidden_bias))
        out = F.linear(hidden, self.output_weight, self.output_bias)
        logit, colors = out[..., :1], out[..., 1:].sigmoid() * 1.002 - 0.001
        if self.ellipsoids is None or not len(self.ellipsoids):
            return colors, logit
        slope, low, high, solid_slope = self.slopes
        away = ((points[:, :, None] - self.ellipsoids[:, :3]) / self.ellipsoids[:, 3:]).square()
        soft, solid = away.sum(-1).split([len(self.ellipsoids) - self.solids, self.solids], -1)
        prior = (slope * (1 - (soft.amin(-1) + 1e-12).sqrt())).clamp(low, high)
        if self.solids:
            prior = prior + solid_slope * (1 - (solid.amin(-1) + 1e-12).sqrt()).clamp(min=0)
        return colors, self.logit_gain * logit + prior[..., None]

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
                torch.cat([rows[:, :3], 1 / rows[:, 3:]], 1).detach().numpy(),
                len(rows) - self.solids,
            ),
        )
