"""The matte, for teachers that render heads without a background. LP3D has no such term."""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.rendering import Rendering

from .kinds import ViewLoss


class OpacityLoss(ViewLoss):
    """Mean absolute difference of the opacities. It separates white hair from a white background,
    which the image loss can't.
    """

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In [0, 1]."""
        return (prediction.opacity - target.opacity).abs().mean()
