"""Multi-view consistency of one subject, by warping one view into another with its depth; agreement
of mean depths of many identities.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering


@dataclass(frozen=True)
class Consistency:
    """Mean absolute colour differences on the scale [-1, 1], over surfaces that both views see.

    Attributes:
        error: after the warp by depth; 0 for a solid object of constant colour under any camera.
        still: without the warp, for comparison: the error of an image that ignores its depth.
        agreeing: share of solid pixels with the same depth in the other view.
    """

    error: float
    still: float
    agreeing: float


def multi_view_consistency(
    first: Rendering,
    first_camera: Camera,
    second: Rendering,
    second_camera: Camera,
    *,
    tolerance: float = 0.03,
) -> Consistency:
    """Warps the pixels of `first` with its depth into `second`.

    Args:
        tolerance: largest depth difference (world units) of the same surface.
    """
    side = first.depth.shape[-1]
    rays = first_camera.rays(side)
    points = rays.origins + rays.directions * first.depth.flatten(1)[..., None]
    positions, distances = second_camera.project(points)

    def sampled(image: Tensor) -> Float[Tensor, "batch channel pixel"]:
        return F.grid_sample(image, (positions * 2 - 1)[:, None], align_corners=False)[:, :, 0]

    solid: Bool[Tensor, "batch pixel"] = first.opacity.flatten(1) > 0.95
    seen = (
        solid
        & ((sampled(second.depth)[:, 0] - distances).abs() < tolerance)
        & (sampled(second.opacity)[:, 0] > 0.95)
    )
    own = (
        F.interpolate(first.image, size=(side, side), mode="area").flatten(2)
        if first.image.shape[-1] != side
        else first.image.flatten(2)
    )
    other = (
        F.interpolate(second.image, size=(side, side), mode="area")
        if second.image.shape[-1] != side
        else second.image
    )
    warped, still = (sampled(other) - own).abs().mean(1), (other.flatten(2) - own).abs().mean(1)
    if not seen.any():
        return Consistency(float("nan"), float("nan"), 0.0)
    return Consistency(
        warped[seen].mean().item(), still[seen].mean().item(), (seen.sum() / solid.sum()).item()
    )


@dataclass(frozen=True)
class DepthAgreement:
    """The mean frontal depth of many generated identities against that of the world's.

    Attributes:
        correlation: over the pixels that are mostly covered in both.
        face_correlation: the same inside the face (the middle of the image).
        offset: mean difference (generated - true), world units.
        error: root mean square difference after subtracting the offset.
        identity_correlation, identity_face_correlation: means over generated identities of the
            correlation of their own depth with the world's mean.
    """

    correlation: float
    face_correlation: float
    offset: float
    error: float
    identity_correlation: float = float("nan")
    identity_face_correlation: float = float("nan")


def mean_depth_agreement(
    depth: Float[Tensor, "batch 1 height width"],
    opacity: Float[Tensor, "batch 1 height width"],
    reference_depth: Float[Tensor, "other 1 height width"],
    reference_opacity: Float[Tensor, "other 1 height width"],
) -> DepthAgreement:
    """Compares the mean over solid pixels of one set with that of another, seen from the same
    frontal camera.
    """
    mean, covered = _mean_over_solid(depth, opacity)
    reference_mean, true_covered = _mean_over_solid(reference_depth, reference_opacity)
    both = (covered > 0.6) & (true_covered > 0.6)
    side = depth.shape[-1]
    face = torch.zeros_like(both)
    face[round(side * 0.28) : round(side * 0.69), round(side * 0.28) : round(side * 0.72)] = True
    everywhere = true_covered > 0.6
    difference = mean[both] - reference_mean[both]
    inside = both & face
    return DepthAgreement(
        correlation=_correlation(mean[both], reference_mean[both]),
        face_correlation=_correlation(mean[inside], reference_mean[inside]),
        offset=difference.mean().item(),
        error=difference.std(unbiased=False).item(),
        identity_correlation=_mean_correlation(depth, opacity, reference_mean, everywhere),
        identity_face_correlation=_mean_correlation(
            depth, opacity, reference_mean, everywhere & face
        ),
    )


def _mean_correlation(depth: Tensor, opacity: Tensor, mean: Tensor, where: Tensor) -> float:
    """Of each depth with a mean one, over the pixels `where` that it covers."""
    found = [
        _correlation(own[chosen], mean[chosen])
        for own, chosen in zip(depth[:, 0], (opacity[:, 0] > 0.9) & where, strict=True)
    ]
    return float(torch.tensor(found).nanmean())


def _mean_over_solid(depth: Tensor, opacity: Tensor) -> tuple[Tensor, Tensor]:
    solid = (opacity > 0.9).float()
    return (depth * solid).sum(0)[0] / solid.sum(0)[0].clamp(min=1), solid.mean(0)[0]


def _correlation(one: Tensor, other: Tensor) -> float:
    return torch.corrcoef(torch.stack([one, other]))[0, 1].item() if len(one) > 1 else float("nan")
