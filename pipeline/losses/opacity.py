"""The matte: for teachers that draw their identities in front of nothing."""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.rendering import Rendering

from .kinds import ViewLoss


class OpacityLoss(ViewLoss):
    """Mean absolute difference of the opacities: tells hair that is as white as the background from
    the background.
    """

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In [0, 1]."""
        return (prediction.opacity - target.opacity).abs().mean()
