"""From the decoder's density output to a density: the activation belongs to the field."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@runtime_checkable
class DensityActivation(Protocol):
    """Density outputs (logits, or signed distances) → densities ≥ 0, per world unit."""

    def __call__(self, logits: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The densities."""
        ...


@runtime_checkable
class HasSignedDistance(Protocol):
    """A field whose surface is known, beside its densities."""

    def signed_distance(
        self, points: Float[Tensor, "batch point 3"]
    ) -> Float[Tensor, "batch point 1"]:
        """Distance to the surface, negative inside, world units; its zeros are the surface."""
        ...


@dataclass(frozen=True)
class ShiftedSoftplus:
    """`gain` · softplus(logit - 1): EG3D's activation with gain 1 (mip-NeRF's shift of -1)."""

    gain: float = 1.0

    def __call__(self, logits: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        """The densities."""
        return self.gain * F.softplus(logits - 1)


EG3D_DENSITY = ShiftedSoftplus()


def density_activation_of(field: object) -> DensityActivation:
    """The attribute `density_activation` of a field or decoder; EG3D's where there is none."""
    activation: DensityActivation = getattr(field, "density_activation", EG3D_DENSITY)
    return activation
