"""The depth images: LP3D renders them for supervision (sec. 3), though its equation 5 has no term
for them.
"""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.rendering import Rendering

from .kinds import ViewLoss


class DepthLoss(ViewLoss):
    """Mean absolute difference of the depths, weighted by the teacher's opacity α:
    mean over images of Σ α |d - d*| / Σ α.

    Where nothing is opaque the expected depth is arbitrary, hence the weights. Every image counts
    the same, however large the head is in it, so that the mean over processes is that of the batch.
    """

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In world units; an image in which the teacher renders nothing counts 0."""
        difference = (prediction.depth - target.depth).abs()
        return (
            (target.opacity * difference).sum((1, 2, 3))
            / target.opacity.sum((1, 2, 3)).clamp(min=1.0)
        ).mean()
