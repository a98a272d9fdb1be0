"""The depth images: LP3D renders them for supervision (sec. 3), though its equation 5 has no term
for them.
"""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.rendering import Rendering

from .kinds import ViewLoss


class DepthLoss(ViewLoss):
    """Mean absolute difference of the depths where the teacher has a surface.

    A depth counts by the teacher's opacity: through empty space it is the expectation of nothing.
    Every picture counts the same, however much of it the identity fills, so that a batch may be
    shared among processes.
    """

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In world units; 0 where the teacher shows nothing at all."""
        difference = (prediction.depth - target.depth).abs()
        return (
            (target.opacity * difference).sum((1, 2, 3))
            / target.opacity.sum((1, 2, 3)).clamp(min=1.0)
        ).mean()
