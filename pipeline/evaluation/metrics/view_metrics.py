"""The metrics of single views that need no weights. docs/metrics.md defines them."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .image_metrics import (
    MS_SSIM_SIDE,
    aligned,
    depth_error,
    depth_rmse,
    mask_iou,
    ms_ssim,
    psnr,
    ssim,
)
from .metric import Metric
from .normals import normal_error
from .scoring_input import Numbers, ScoringInput

BEST_PSNR = 100.0
"""dB of equal images, whose PSNR would be infinite."""


@dataclass(frozen=True)
class ViewMetric:
    """A metric of one predicted view.

    Attributes:
        name: of the score.
        description: how reports show it.
        score: one number for each view, NaN where a view has none; None if the item has none.
        why_missing: why an evaluation may have no number at all.
    """

    name: str
    description: Metric
    score: Callable[[ScoringInput], Numbers | None]
    why_missing: str


def _psnr(seen: ScoringInput) -> Numbers | None:
    if seen.reference is None:
        return None
    return psnr(seen.prediction.image, seen.reference.image).clamp(max=BEST_PSNR)


def _psnr_foreground(seen: ScoringInput) -> Numbers | None:
    if seen.reference is None or seen.reference.solid is None:
        return None
    where = seen.reference.solid
    return psnr(seen.prediction.image, seen.reference.image, where).clamp(max=BEST_PSNR)


def _ssim(seen: ScoringInput) -> Numbers | None:
    if seen.reference is None:
        return None
    return ssim(seen.prediction.image, seen.reference.image)


def _ms_ssim(seen: ScoringInput) -> Numbers | None:
    if seen.reference is None:
        return None
    return ms_ssim(seen.prediction.image, seen.reference.image)


def _depth(seen: ScoringInput) -> Numbers | None:
    return None if seen.depths is None else depth_error(*seen.depths)


def _depth_aligned(seen: ScoringInput) -> Numbers | None:
    if seen.depths is None:
        return None
    depth, reference, where = seen.depths
    return depth_error(aligned(depth, reference, where), reference, where)


def _depth_rmse(seen: ScoringInput) -> Numbers | None:
    if seen.depths is None:
        return None
    depth, reference, where = seen.depths
    return depth_rmse(aligned(depth, reference, where), reference, where)


def _mask_iou(seen: ScoringInput) -> Numbers | None:
    if seen.reference is None:
        return None
    predicted, true = seen.prediction.solid, seen.reference.solid
    return None if predicted is None or true is None else mask_iou(predicted, true)


NO_REFERENCE = "the suite has no reference images"
NO_DEPTH = "no reference depth, or no predicted depth"
NO_MASK = "no reference silhouettes, or no predicted ones"

PSNR = Metric(
    "PSNR",
    "dB",
    True,
    "whole image, 10 log10(4 / mean squared error of RGB in [-1, 1]), at most 100",
    2,
)
PSNR_FOREGROUND = Metric(
    "PSNR (foreground)",
    "dB",
    True,
    "PSNR over the pixels that show the subject in the reference",
    2,
)
SSIM = Metric(
    "SSIM",
    "",
    True,
    "structural similarity (Wang et al. 2004) of RGB in [0, 1], Gaussian window of 11 pixels,"
    " σ 1.5",
)
MS_SSIM = Metric(
    "MS-SSIM",
    "",
    True,
    "structural similarity over five scales (Wang et al. 2003) of RGB in [0, 1], negative values"
    " count as 0",
)
DEPTH = Metric(
    "depth error",
    "units",
    False,
    "mean absolute error inside both silhouettes where the reference's depth is known, world units"
    " (a head is about 0.4 high)",
    4,
)
DEPTH_ALIGNED = Metric(
    "shape error",
    "units",
    False,
    "depth error after the best scale and shift: shape without distance",
    4,
)
DEPTH_RMSE = Metric(
    "shape RMSE",
    "units",
    False,
    "root mean square depth error after the best scale and shift",
    4,
)
NORMAL = Metric(
    "normal error",
    "°",
    False,
    "mean angle between predicted and reference normals inside both silhouettes, one pixel from"
    " their edge and from unknown depth",
    1,
)
MASK_IOU = Metric(
    "mask IoU", "", True, "intersection over union of the silhouettes (opacity above 1/2)"
)

VIEW_METRICS = (
    ViewMetric("psnr", PSNR, _psnr, NO_REFERENCE),
    ViewMetric("psnr_foreground", PSNR_FOREGROUND, _psnr_foreground, "no reference silhouettes"),
    ViewMetric("ssim", SSIM, _ssim, NO_REFERENCE),
    ViewMetric(
        "ms_ssim",
        MS_SSIM,
        _ms_ssim,
        f"the images are smaller than {MS_SSIM_SIDE} pixels a side, or have no reference",
    ),
    ViewMetric("depth", DEPTH, _depth, NO_DEPTH),
    ViewMetric("depth_aligned", DEPTH_ALIGNED, _depth_aligned, NO_DEPTH),
    ViewMetric("depth_rmse", DEPTH_RMSE, _depth_rmse, NO_DEPTH),
    ViewMetric("normal", NORMAL, normal_error, NO_DEPTH),
    ViewMetric("mask_iou", MASK_IOU, _mask_iou, NO_MASK),
)


@torch.no_grad()
def scores_of(
    seen: ScoringInput, metrics: tuple[ViewMetric, ...] = VIEW_METRICS
) -> dict[str, list[float]]:
    """By metric one number for each view, NaN where there is none."""
    found = {metric.name: metric.score(seen) for metric in metrics}
    nothing = [float("nan")] * len(seen.prediction)
    return {name: nothing if values is None else values.tolist() for name, values in found.items()}
