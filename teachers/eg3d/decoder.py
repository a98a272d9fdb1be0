"""Plane features → density and colours: EG3D's small decoder (sec. 4.1), view-independent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from teachers.kernels import fast_kernels
from teachers.rendering.density import EG3D_DENSITY, DensityActivation, ShiftedSoftplus
from teachers.rendering.two_layers import TwoLayers
from teachers.stylegan.linear import EqualizedLinear


class EllipsoidPrior(nn.Module):
    """A density logit that is positive inside ellipsoids: a generator then starts from a head.

    An option beyond EG3D.

    Args:
        ellipsoids: rows of centre (3) and semi-axes (3), world units.
        solid: ellipsoids inside every head: their logit rises without limit, so that the network
            can't carve into them. (A face whose nose bridge is a narrow hole renders to about the
            same frontal image.)
        slope: fall of the logit over one semi-axis.
        low, high: limits of the logit far outside and deep inside.
        solid_slope: rise of the logit from the surface of a solid to its centre.
    """

    ellipsoids: Tensor
    solid: Tensor

    def __init__(
        self,
        ellipsoids: Sequence[Sequence[float]],
        solid: Sequence[Sequence[float]] = (),
        *,
        slope: float = 5.0,
        low: float = -5.0,
        high: float = 2.0,
        solid_slope: float = 50.0,
    ) -> None:
        super().__init__()
        for name, rows in (("ellipsoids", ellipsoids), ("solid", solid)):
            self.register_buffer(
                name, torch.tensor([list(row) for row in rows]).reshape(-1, 6), persistent=False
            )
        self.slope, self.low, self.high, self.solid_slope = slope, low, high, solid_slope

    def forward(self, points: Float[Tensor, "batch point 3"]) -> Float[Tensor, "batch point 1"]:
        """The prior's logit at world points."""
        logit = (self.slope * (1 - _semi_axes_away(points, self.ellipsoids))).clamp(
            self.low, self.high
        )
        if len(self.solid):
            logit = logit + self.solid_slope * (1 - _semi_axes_away(points, self.solid)).clamp(
                min=0
            )
        return logit[..., None]


def _semi_axes_away(
    points: Float[Tensor, "batch point 3"], ellipsoids: Float[Tensor, "row 6"]
) -> Float[Tensor, "batch point"]:
    """Distance from the centre of the nearest ellipsoid, 1 on its surface."""
    scaled = torch.stack(
        [((points - row[:3]) / row[3:]).square().sum(-1) for row in ellipsoids]
    ).amin(0)
    return (scaled + 1e-12).sqrt()


class Softplus(nn.Module):
    """log(1 + exp(x)), in kernels where fast ones are chosen."""

    def forward(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Number by number."""
        if fast_kernels():
            from teachers.rendering.fast import activations  # numba is loaded where it is used

            if activations.covers(x):
                return activations.softplus(x)
        return F.softplus(x)


class Decoder(nn.Module):
    """Linear, softplus, linear: density logit and `feature_channels` colours in (0, 1).

    Args:
        plane_channels: features of a plane.
        hidden_channels: width of the hidden layer.
        feature_channels: colour channels; the first three are RGB.
        learning_rate: factor on the effective learning rate.
        prior: added to `logit_gain` times the density output.
        logit_gain: 1 in EG3D.
        density_activation: density logits → densities.
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
        density_activation: DensityActivation = EG3D_DENSITY,
    ) -> None:
        super().__init__()
        self.net = nn.Sequential(
            EqualizedLinear(plane_channels, hidden_channels, learning_rate=learning_rate),
            Softplus(),
            EqualizedLinear(hidden_channels, 1 + feature_channels, learning_rate=learning_rate),
        )
        self.prior = prior
        self.logit_gain = logit_gain
        self.density_activation = density_activation

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
        return self._logit(
            # The last layer's first row is the density's.
            F.linear(hidden, last.weight[:1] * last.weight_gain, last.bias[:1] * last.bias_gain),
            points,
        )

    def two_layers(self) -> TwoLayers | None:
        """What kernels compute this decoder from; None where they don't cover it: another prior or
        activation, or a subclass.
        """
        prior, activation = self.prior, self.density_activation
        if type(self) is not Decoder or type(activation) is not ShiftedSoftplus:
            return None
        first, last = cast(EqualizedLinear, self.net[0]), cast(EqualizedLinear, self.net[2])
        layers = TwoLayers(
            first.weight * first.weight_gain,
            first.bias * first.bias_gain,
            last.weight * last.weight_gain,
            last.bias * last.bias_gain,
            density_gain=activation.gain,
        )
        if prior is None:
            return layers
        if type(prior) is not EllipsoidPrior:
            return None
        return replace(
            layers,
            logit_gain=self.logit_gain,
            ellipsoids=torch.cat([prior.ellipsoids, prior.solid]),
            solids=len(prior.solid),
            slopes=(prior.slope, prior.low, prior.high, prior.solid_slope),
        )

    def _logit(self, out: Tensor, points: Tensor) -> Tensor:
        return out if self.prior is None else self.logit_gain * out + self.prior(points)

    @staticmethod
    def colors(out: Float[Tensor, "*batch feature"]) -> Float[Tensor, "*batch feature"]:
        """Sigmoid widened by a thousandth at both ends, which makes pure black and white reachable.

        The trick is mip-NeRF's.
        """
        return torch.sigmoid(out) * 1.002 - 0.001
