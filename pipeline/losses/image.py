"""L_col: the pictures, before and after super-resolution (LP3D eq. 5)."""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.rendering import Rendering

from .kinds import ViewLoss


class ImageLoss(ViewLoss):
    """Mean absolute difference of the final pictures plus that of the raw ones.

    Without super-resolution the two are one picture, which counts once.

    Args:
        weight: its factor in the sum.
        raw_weight: factor of the raw picture within it.
    """

    def __init__(self, *, weight: float | int = 1.0, raw_weight: float | int = 1.0) -> None:
        super().__init__(weight=weight)
        self.raw_weight = raw_weight

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In units of the pictures' range [-1, 1]."""
        loss = (prediction.image - target.image).abs().mean()
        if prediction.image is prediction.image_raw:
            return loss
        return loss + self.raw_weight * (prediction.image_raw - target.image_raw).abs().mean()
