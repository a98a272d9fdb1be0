"""The depth images: LP3D renders them for supervision (sec. 3), though its equation 5 has no term for them."""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.rendering import Rendering

from .kinds import ViewLoss


class DepthLoss(ViewLoss):
    """Mean absolute difference of the depths where the teacher has a surface.

    A depth counts by the teacher's opacity: through empty space it is the expectation of nothing.
    """

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In world units; 0 where the teacher shows nothing at all."""
        difference = (prediction.depth - target.depth).abs()
        return (target.opacity * difference).sum() / target.opacity.sum().clamp(min=1.0)
