"""How far a picture with depth is from the truth: one number a picture, nothing averaged over
pictures.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

MS_SSIM_SIDE = 161
"""The smallest side of a picture whose fifth scale still holds the window of 11 pixels."""

SOLID = 0.5
"""From this opacity on a pixel shows the subject."""

Numbers = Float[Tensor, " picture"]


@dataclass(frozen=True)
class Observation:
    """Pictures in [-1, 1] with the depth (world units) and opacity (in [0, 1]) of their pixels."""

    image: Float[Tensor, "picture 3 height width"]
    depth: Float[Tensor, "picture 1 height width"]
    opacity: Float[Tensor, "picture 1 height width"]

    @property
    def solid(self) -> Bool[Tensor, "picture 1 height width"]:
        """Where the subject is."""
        return self.opacity > SOLID

    def __getitem__(self, rows: slice) -> "Observation":
        return Observation(self.image[rows], self.depth[rows], self.opacity[rows])


def psnr(
    image: Float[Tensor, "picture 3 height width"],
    truth: Float[Tensor, "picture 3 height width"],
    where: Bool[Tensor, "picture 1 height width"] | None = None,
) -> Numbers:
    """Peak signal-to-noise ratio in dB of pictures in [-1, 1], over the pixels of `where` (NaN if
    there are none).
    """
    squared = (image - truth).square().mean(1, keepdim=True)
    mean = squared.mean((1, 2, 3)) if where is None else _mean_inside(squared, where)
    return 10 * torch.log10(4 / mean)


def ssim(
    image: Float[Tensor, "picture 3 height width"], truth: Float[Tensor, "picture 3 height width"]
) -> Numbers:
    """Structural similarity of pictures in [-1, 1]."""
    values = structural_similarity_index_measure(image, truth, data_range=2.0, reduction="none")
    assert isinstance(values, Tensor)
    return values.reshape(len(image))


def ms_ssim(
    image: Float[Tensor, "picture 3 height width"], truth: Float[Tensor, "picture 3 height width"]
) -> Numbers | None:
    """Structural similarity over five scales (Wang et al. 2003) of pictures in [-1, 1]; None for
    pictures below 161 pixels.
    """
    if min(image.shape[-2:]) < MS_SSIM_SIDE:
        return None
    values = multiscale_structural_similarity_index_measure(
        image, truth, data_range=2.0, reduction="none", normalize="relu"
    )
    assert isinstance(values, Tensor)
    return values.reshape(len(image))


def mask_iou(
    one: Bool[Tensor, "picture 1 height width"], other: Bool[Tensor, "picture 1 height width"]
) -> Numbers:
    """Intersection over union; 1 where both are empty."""
    union = (one | other).sum((1, 2, 3))
    return torch.where(union > 0, (one & other).sum((1, 2, 3)) / union.clamp(min=1), 1.0)


def depth_error(
    depth: Float[Tensor, "picture 1 height width"],
    truth: Float[Tensor, "picture 1 height width"],
    where: Bool[Tensor, "picture 1 height width"],
) -> Numbers:
    """Mean absolute difference inside `where`; NaN where that is empty."""
    return _mean_inside((depth - truth).abs(), where)


def depth_rmse(
    depth: Float[Tensor, "picture 1 height width"],
    truth: Float[Tensor, "picture 1 height width"],
    where: Bool[Tensor, "picture 1 height width"],
) -> Numbers:
    """Root of the mean squared difference inside `where`; NaN where that is empty."""
    return _mean_inside((depth - truth).square(), where).sqrt()


def aligned(
    depth: Float[Tensor, "picture 1 height width"],
    truth: Float[Tensor, "picture 1 height width"],
    where: Bool[Tensor, "picture 1 height width"],
) -> Float[Tensor, "picture 1 height width"]:
    """The depth under the scale and shift that bring it nearest to the truth inside `where`, by
    least squares.

    Ranftl et al. 2020, section 5. A flat depth gets a shift alone, a reversed one no negative
    scale.
    """
    mean, true_mean = (
        _mean_inside(values, where)[:, None, None, None] for values in (depth, truth)
    )
    off, true_off = depth - mean, truth - true_mean
    variance = _mean_inside(off.square(), where)
    scale = (_mean_inside(off * true_off, where) / variance.clamp(min=1e-12)).clamp(min=0)
    return off * scale[:, None, None, None] + true_mean


def _mean_inside(values: Tensor, where: Tensor) -> Numbers:
    """Mean over the true pixels of each picture; NaN without any."""
    return torch.where(where, values, 0).sum((1, 2, 3)) / where.sum((1, 2, 3))
