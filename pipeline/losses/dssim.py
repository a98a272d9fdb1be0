"""DSSIM: structural dissimilarity, (1 - SSIM) / 2 (Wang et al. 2004, eq. 13). It needs no published
weights.
"""

from jaxtyping import Float
from kornia.losses import ssim_loss
from torch import Tensor

from .kinds import PictureLoss


class DSSIMLoss(PictureLoss):
    """Mean structural dissimilarity of the final images plus that of the raw ones.

    Args:
        weight: factor in the sum.
        raw_weight: factor of the raw images within the loss.
        window: side of the Gaussian window (standard deviation 1.5) in pixels, odd; published: 11.

    Raises:
        ValueError: an even window, or one below 3.
    """

    def __init__(
        self, *, weight: float | int = 1.0, raw_weight: float | int = 1.0, window: int = 11
    ) -> None:
        super().__init__(weight=weight, raw_weight=raw_weight)
        if window < 3 or window % 2 == 0:
            raise ValueError(
                f"the window of DSSIM is {window} pixels wide: expected an odd number, 3 or more"
            )
        self.window = window

    def compare(
        self,
        prediction: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, ""]:
        """In [0, 1]: 0 for equal images, about 1/2 for unrelated ones, 1 for inverted structure."""
        # kornia's loss is (1 - SSIM) / 2 of images in [0, 1].
        return ssim_loss((prediction + 1) / 2, (target + 1) / 2, self.window)
