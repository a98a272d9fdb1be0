"""Samples along rays → one colour, depth and opacity per ray (Max 1995; EG3D's midpoint rule)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.kernels import fast_kernels

from .density import EG3D_DENSITY, DensityActivation, ShiftedSoftplus

FAINT_OPACITY = 1e-12
"""Below it the depth of a ray has no gradient."""


@dataclass(frozen=True)
class Composite:
    """What the samples of a ray add up to.

    Attributes:
        features: weighted colour channels, premultiplied by the opacity.
        depth: weighted distance, not yet divided by the opacity.
        weights: of the intervals between neighbouring samples; their sum is the opacity.
    """

    features: Float[Tensor, "batch ray feature"]
    depth: Float[Tensor, "batch ray"]
    weights: Float[Tensor, "batch ray interval"]

    @property
    def opacity(self) -> Float[Tensor, "batch ray"]:
        """Share of the light that the ray has lost, in [0, 1]."""
        return self.weights.sum(-1)

    @property
    def expected_depth(self) -> Float[Tensor, "batch ray"]:
        """See the function of that name."""
        return expected_depth(self.depth, self.opacity)


def expected_depth(
    depth: Float[Tensor, "batch ray"], opacity: Float[Tensor, "batch ray"]
) -> Float[Tensor, "batch ray"]:
    """Mean distance of what a ray sees, from its weighted one; infinite where it sees nothing.

    Without gradient where it sees next to nothing: the gradient divides by the square of the
    opacity.
    """
    is_faint = opacity < FAINT_OPACITY
    unlearnt = (depth / opacity).detach()
    # A division by 0 in the branch that `where` doesn't take would still give NaN gradients.
    learnt = depth / torch.where(is_faint, 1.0, opacity)
    return torch.where(is_faint, unlearnt.nan_to_num(nan=torch.inf, posinf=torch.inf), learnt)


def interval_weights(
    density_logits: Float[Tensor, "batch ray sample"],
    depths: Float[Tensor, "batch ray sample"],
    *,
    activation: DensityActivation = EG3D_DENSITY,
) -> Float[Tensor, "batch ray interval"]:
    """Compositing weights of the intervals between neighbouring samples.

    The density of an interval is the activation of the mean logit of its ends; there is no last
    interval to infinity.
    """
    logits = (density_logits[..., 1:] + density_logits[..., :-1]) / 2
    optical_depth = activation(logits) * depths.diff(dim=-1)
    # wᵢ = Tᵢ (1 - exp(-σᵢ δᵢ)) with Tᵢ = exp(-Σ_{j<i} σⱼ δⱼ) (NeRF eq. 3); expm1 is exact for thin
    # intervals, where 1 - exp would cancel.
    transmittance = torch.exp(
        optical_depth - optical_depth.cumsum(-1)
    )  # up to the front of the interval
    return -torch.expm1(-optical_depth) * transmittance


def composite(
    features: Float[Tensor, "batch ray sample feature"],
    density_logits: Float[Tensor, "batch ray sample"],
    depths: Float[Tensor, "batch ray sample"],
    *,
    activation: DensityActivation = EG3D_DENSITY,
) -> Composite:
    """Adds up sorted samples; colours and depths of an interval are the means of its ends."""
    if fast_kernels():
        from .fast import compositing  # numba is loaded where it is used

        if compositing.covers(features, density_logits, depths, activation):
            assert isinstance(activation, ShiftedSoftplus)
            return Composite(
                *compositing.composite(
                    features,
                    density_logits,
                    depths,
                    activation.gain,
                    lambda f, d: _composite(f, d, depths, activation),
                )
            )
    return Composite(*_composite(features, density_logits, depths, activation))


def _composite(
    features: Tensor, density_logits: Tensor, depths: Tensor, activation: DensityActivation
) -> tuple[Tensor, Tensor, Tensor]:
    """Features, depth and weights of a `Composite`, in PyTorch's own operators."""
    weights = interval_weights(density_logits, depths, activation=activation)
    # The weight of an interval is shared by its two ends: the same sum as that of interval
    # midpoints, without making them.
    ends = (F.pad(weights, (1, 0)) + F.pad(weights, (0, 1))) / 2
    return torch.einsum("brs,brsf->brf", ends, features), (ends * depths).sum(-1), weights


def sort_samples(
    depths: Float[Tensor, "batch ray sample"],
    features: Float[Tensor, "batch ray sample feature"],
    density_logits: Float[Tensor, "batch ray sample"],
) -> tuple[
    Float[Tensor, "batch ray sample"],
    Float[Tensor, "batch ray sample feature"],
    Float[Tensor, "batch ray sample"],
]:
    """All samples of a ray from near to far."""
    depths, order = depths.sort(-1)
    return (
        depths,
        features.gather(2, order[..., None].expand_as(features)),
        density_logits.gather(2, order),
    )
