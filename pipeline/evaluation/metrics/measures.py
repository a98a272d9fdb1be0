"""The measures that need no weights: one number a view each."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from .comparison import Comparison, Numbers
from .metric import Metric
from .normals import normal_error
from .picture_scores import (
    MS_SSIM_SIDE,
    aligned,
    depth_error,
    depth_rmse,
    mask_iou,
    ms_ssim,
    psnr,
    ssim,
)

BEST_PSNR = 100.0
"""dB of pictures that don't differ at all, whose PSNR would be infinite."""


@dataclass(frozen=True)
class Measure:
    """Something that is measured of every predicted view.

    Attributes:
        name: in the scores.
        metric: how it is to be read.
        score: one number a view, NaN where a view has none; None where nothing can be said about
            the item.
        missing: why there may be no number at all, for identities.
    """

    name: str
    metric: Metric
    score: Callable[[Comparison], Numbers | None]
    missing: str


def _psnr(seen: Comparison) -> Numbers | None:
    return (
        None
        if seen.truth is None
        else psnr(seen.prediction.image, seen.truth.image).clamp(max=BEST_PSNR)
    )


def _psnr_foreground(seen: Comparison) -> Numbers | None:
    if seen.truth is None or seen.truth.solid is None:
        return None
    return psnr(seen.prediction.image, seen.truth.image, seen.truth.solid).clamp(max=BEST_PSNR)


def _ssim(seen: Comparison) -> Numbers | None:
    return None if seen.truth is None else ssim(seen.prediction.image, seen.truth.image)


def _ms_ssim(seen: Comparison) -> Numbers | None:
    return None if seen.truth is None else ms_ssim(seen.prediction.image, seen.truth.image)


def _depth(seen: Comparison) -> Numbers | None:
    return None if seen.depths is None else depth_error(*seen.depths)


def _depth_aligned(seen: Comparison) -> Numbers | None:
    if seen.depths is None:
        return None
    depth, truth, both = seen.depths
    return depth_error(aligned(depth, truth, both), truth, both)


def _depth_rmse(seen: Comparison) -> Numbers | None:
    if seen.depths is None:
        return None
    depth, truth, both = seen.depths
    return depth_rmse(aligned(depth, truth, both), truth, both)


def _mask_iou(seen: Comparison) -> Numbers | None:
    if seen.truth is None or seen.prediction.solid is None or seen.truth.solid is None:
        return None
    return mask_iou(seen.prediction.solid, seen.truth.solid)


NO_TRUTH = "the suite has no true pictures"
NO_DEPTH = "no true or no predicted depth"
NO_MASK = "no true or no predicted silhouettes"

PSNR = Metric(
    "PSNR",
    "dB",
    True,
    "likeness of the whole picture, 10 log10(4 / mean squared error of RGB in [-1, 1]), at"
    " most 100",
    2,
)
PSNR_FOREGROUND = Metric(
    "PSNR subject", "dB", True, "the same over the pixels that truly show the subject", 2
)
SSIM = Metric(
    "SSIM",
    "",
    True,
    "structural similarity (Wang et al. 2004), Gaussian window of 11 pixels, σ 1.5",
)
MS_SSIM = Metric(
    "MS-SSIM",
    "",
    True,
    "structural similarity over five scales (Wang et al. 2003), negative ones counted as 0",
)
DEPTH = Metric(
    "depth error",
    "units",
    False,
    "mean absolute depth error inside both silhouettes, world units (a head is about 0.4 high)",
    4,
)
DEPTH_ALIGNED = Metric(
    "shape error",
    "units",
    False,
    "the same after the best scale and shift: shape without distance",
    4,
)
DEPTH_RMSE = Metric(
    "shape RMSE",
    "units",
    False,
    "root mean square of what the best scale and shift of the depth leave",
    4,
)
NORMAL = Metric(
    "normal error",
    "°",
    False,
    "mean angle between predicted and true normals inside both silhouettes, one pixel from their"
    " edge",
    1,
)
MASK_IOU = Metric("mask IoU", "", True, "overlap of the silhouettes")

MEASURES = (
    Measure("psnr", PSNR, _psnr, NO_TRUTH),
    Measure("psnr_foreground", PSNR_FOREGROUND, _psnr_foreground, "no true silhouettes"),
    Measure("ssim", SSIM, _ssim, NO_TRUTH),
    Measure(
        "ms_ssim",
        MS_SSIM,
        _ms_ssim,
        f"the pictures are smaller than {MS_SSIM_SIDE} pixels a side, or have no truth",
    ),
    Measure("depth", DEPTH, _depth, NO_DEPTH),
    Measure("depth_aligned", DEPTH_ALIGNED, _depth_aligned, NO_DEPTH),
    Measure("depth_rmse", DEPTH_RMSE, _depth_rmse, NO_DEPTH),
    Measure("normal", NORMAL, normal_error, NO_DEPTH),
    Measure("mask_iou", MASK_IOU, _mask_iou, NO_MASK),
)


@torch.no_grad()
def scores_of(
    seen: Comparison, measures: "tuple[Measure, ...]" = MEASURES
) -> dict[str, list[float]]:
    """By name one number a view, NaN where there is none."""
    found = {measure.name: measure.score(seen) for measure in measures}
    nothing = [float("nan")] * len(seen.prediction)
    return {name: nothing if values is None else values.tolist() for name, values in found.items()}
