"""Scores of images, silhouettes and depth against a reference: one number for each view, no mean
over views. docs/metrics.md defines every score.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    structural_similarity_index_measure,
)

from .scoring_input import Numbers

MS_SSIM_SIDE = 161
"""The smallest side of an image whose fifth scale still holds the window of 11 pixels."""

Images = Float[Tensor, "view 3 height width"]
Maps = Float[Tensor, "view 1 height width"]
Mask = Bool[Tensor, "view 1 height width"]


def psnr(image: Images, reference: Images, where: Mask | None = None) -> Numbers:
    """Peak signal-to-noise ratio in dB of images in [-1, 1], over the pixels of `where` (NaN if
    there are none).
    """
    squared = (image - reference).square().mean(1, keepdim=True)
    mean = squared.mean((1, 2, 3)) if where is None else mean_inside(squared, where)
    return 10 * torch.log10(4 / mean)


def ssim(image: Images, reference: Images) -> Numbers:
    """Structural similarity (Wang et al. 2004) of images in [-1, 1], of which -1 is black."""
    values = structural_similarity_index_measure(
        _light(image), _light(reference), data_range=1.0, reduction="none"
    )
    assert isinstance(values, Tensor)
    return values.reshape(len(image))


def _light(image: Images) -> Images:
    # SSIM compares means as a ratio: around 0, a grey picture's mean would have no size
    return (image + 1) / 2


def ms_ssim(image: Images, reference: Images) -> Numbers | None:
    """Structural similarity over five scales (Wang et al. 2003) of images in [-1, 1]; None for
    images below 161 pixels.
    """
    if min(image.shape[-2:]) < MS_SSIM_SIDE:
        return None
    values = multiscale_structural_similarity_index_measure(
        _light(image), _light(reference), data_range=1.0, reduction="none", normalize="relu"
    )
    assert isinstance(values, Tensor)
    return values.reshape(len(image))


def mask_iou(one: Mask, other: Mask) -> Numbers:
    """Intersection over union; 1 where both are empty."""
    union = (one | other).sum((1, 2, 3))
    return torch.where(union > 0, (one & other).sum((1, 2, 3)) / union.clamp(min=1), 1.0)


def depth_error(depth: Maps, reference: Maps, where: Mask) -> Numbers:
    """Mean absolute difference inside `where`; NaN where that is empty."""
    return mean_inside((depth - reference).abs(), where)


def depth_rmse(depth: Maps, reference: Maps, where: Mask) -> Numbers:
    """Root mean square difference inside `where`; NaN where that is empty."""
    return mean_inside((depth - reference).square(), where).sqrt()


def aligned(depth: Maps, reference: Maps, where: Mask) -> Maps:
    """The depth under the scale s ≥ 0 and shift t that minimise Σ (s·depth + t - reference)² over
    `where` (Ranftl et al. 2020, equation 4).

    A constant depth is only shifted; a reversed one gets scale 0 instead of a negative one.
    """
    mean, reference_mean = (
        mean_inside(values, where)[:, None, None, None] for values in (depth, reference)
    )
    off, reference_off = depth - mean, reference - reference_mean
    variance = mean_inside(off.square(), where)
    scale = (mean_inside(off * reference_off, where) / variance.clamp(min=1e-12)).clamp(min=0)
    return off * scale[:, None, None, None] + reference_mean


def mean_inside(values: Maps, where: Mask) -> Numbers:
    """The mean over the pixels of `where`, for each view; NaN without any."""
    return torch.where(where, values, 0).sum((1, 2, 3)) / where.sum((1, 2, 3))
