"""What a volume renderer returns, and the jitter that it can be given."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Rendering:
    """One image per camera.

    Attributes:
        image: final RGB, nominally in [-1, 1], not clamped.
        image_raw: RGB of the volume rendering before super-resolution (the same as `image` without
            one).
        feature_image: all colour channels of the decoder, in the range of `image_raw`; its first
            three are `image_raw` (but not PanoHead's, whose raw image is made of all).
        depth: expected distance from the camera centre, world units.
        opacity: sum of the compositing weights, in [0, 1].
    """

    image: Float[Tensor, "batch 3 height width"]
    image_raw: Float[Tensor, "batch 3 raw_height raw_width"]
    feature_image: Float[Tensor, "batch feature raw_height raw_width"]
    depth: Float[Tensor, "batch 1 raw_height raw_width"]
    opacity: Float[Tensor, "batch 1 raw_height raw_width"]


@dataclass(frozen=True)
class RayJitter:
    """Uniform numbers in [0, 1) that place the samples of every ray.

    With them rendering is a pure function.

    Those of the second pass may be independent, as in EG3D, or `stratified`.
    """

    coarse: Float[Tensor, "batch ray coarse"]
    fine: Float[Tensor, "batch ray fine"]

    @classmethod
    def stratified(
        cls, coarse: Float[Tensor, "batch ray coarse"], fine: Float[Tensor, "batch ray fine"]
    ) -> "RayJitter":
        """Jitter whose k-th fine number lies in the k-th of equal parts of [0, 1).

        Halves the noise of rays with ten samples. A discriminator that can recognise images by
        their noise doesn't teach shapes.

        Args:
            coarse, fine: independent uniform numbers.
        """
        count = fine.shape[-1]
        spread = (fine + torch.arange(count, device=fine.device)) / max(count, 1)
        return cls(
            coarse, spread.clamp(max=1 - torch.finfo(fine.dtype).eps / 2)
        )  # the sum may have been rounded up to `count`

    def __getitem__(self, rays: slice) -> "RayJitter":
        return RayJitter(self.coarse[:, rays], self.fine[:, rays])

    def images(self, rows: slice) -> "RayJitter":
        """The jitter of some of the images."""
        return RayJitter(self.coarse[rows], self.fine[rows])
