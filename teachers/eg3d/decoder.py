"""Plane features → density and colours: EG3D's small decoder (sec. 3.3), view-independent."""

from collections.abc import Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from teachers.stylegan.linear import EqualizedLinear


class EllipsoidPrior(nn.Module):
    """A density logit that is positive inside some ellipsoids: an option beyond EG3D, where a generator starts from a head.

    Args:
        ellipsoids: rows of centre (3) and semi-axes (3), world units.
        slope: fall of the logit over one semi-axis.
        low, high: limits of the logit far outside and deep inside.
    """

    ellipsoids: Tensor

    def __init__(self, ellipsoids: Sequence[Sequence[float]], *, slope: float = 5.0, low: float = -5.0, high: float = 2.0) -> None:
        super().__init__()
        self.register_buffer("ellipsoids", torch.tensor([list(row) for row in ellipsoids]), persistent=False)
        self.slope, self.low, self.high = slope, low, high

    def forward(self, points: Float[Tensor, "batch point 3"]) -> Float[Tensor, "batch point 1"]:
        """The prior's logit at world points."""
        centres, axes = self.ellipsoids[:, :3], self.ellipsoids[:, 3:]
        scaled = torch.stack([((points - c) / a).square().sum(-1) for c, a in zip(centres, axes, strict=True)]).amin(0)
        return (self.slope * (1 - (scaled + 1e-12).sqrt())).clamp(self.low, self.high)[..., None]


class Decoder(nn.Module):
    """Linear, softplus, linear: density logit and `feature_channels` colours in (0, 1).

    Args:
        plane_channels: features of a plane.
        hidden_channels: width of the hidden layer.
        feature_channels: colour channels; the first three are RGB.
        learning_rate: factor on the effective learning rate.
        prior: added to `logit_gain` times the density output.
        logit_gain: 1 in EG3D.
    """

    def __init__(
        self,
        *,
        plane_channels: int = 32,
        hidden_channels: int = 64,
        feature_channels: int = 32,
        learning_rate: float = 1.0,
        prior: nn.Module | None = None,
        logit_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.net = nn.Sequential(
            EqualizedLinear(plane_channels, hidden_channels, learning_rate=learning_rate),
            nn.Softplus(),
            EqualizedLinear(hidden_channels, 1 + feature_channels, learning_rate=learning_rate),
        )
        self.prior = prior
        self.logit_gain = logit_gain

    def forward(
        self, features: Float[Tensor, "batch point channel"], points: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point feature"], Float[Tensor, "batch point 1"]]:
        """Colours and the density logit (before any activation)."""
        out = self.net(features)
        return self.colors(out[..., 1:]), self._logit(out[..., :1], points)

    def density_logit(
        self, features: Float[Tensor, "batch point channel"], points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """The density logit alone, for a pass that needs no colours."""
        last = cast(EqualizedLinear, self.net[2])
        hidden = self.net[1](self.net[0](features))
        return self._logit(F.linear(hidden, last.weight[:1] * last.weight_gain, last.bias[:1] * last.bias_gain), points)

    def _logit(self, out: Tensor, points: Tensor) -> Tensor:
        return out if self.prior is None else self.logit_gain * out + self.prior(points)

    @staticmethod
    def colors(out: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        """Sigmoid, widened by a thousandth at both ends so that pure black and white are reachable (mip-NeRF's trick)."""
        return torch.sigmoid(out) * 1.002 - 0.001
