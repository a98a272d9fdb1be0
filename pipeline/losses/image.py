"""L_col: the images before and after super-resolution (LP3D eq. 5)."""

from jaxtyping import Float
from torch import Tensor

from .kinds import PictureLoss


class ImageLoss(PictureLoss):
    """Mean absolute difference of the final images plus that of the raw ones."""

    def compare(
        self,
        prediction: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, ""]:
        """In units of the images' range [-1, 1]."""
        return (prediction - target).abs().mean()
