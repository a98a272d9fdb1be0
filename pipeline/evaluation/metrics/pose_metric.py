"""The angle between a view's camera and the camera that a pose estimator finds in the image."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera

from .metric import Metric
from .scoring_input import Numbers, ScoringInput
from .view_metrics import ViewMetric

PoseEstimator = Callable[[Float[Tensor, "3 height width"]], Camera | None]
"""An image in [-1, 1] → the camera with which it seems to have been taken; None without a face."""

POSE = Metric(
    "pose error",
    "°",
    False,
    "angle between the camera's rotation and that which the estimator finds in the image",
    2,
)


def pose_metric(estimator: PoseEstimator) -> ViewMetric:
    """The angle in degrees for each view; NaN where the estimator finds no face."""

    def score(seen: ScoringInput) -> Numbers:
        found = [estimator(image) for image in seen.prediction.image]
        wanted = [seen.camera[view : view + 1] for view in range(len(found))]
        angles = [
            math.nan if one is None else rotation_angle(one, other)
            for one, other in zip(found, wanted, strict=True)
        ]
        return torch.tensor(angles)

    return ViewMetric("pose", POSE, score, "the estimator found a face in no image")


def rotation_angle(one: Camera, other: Camera) -> float:
    """The angle in degrees of the rotation between two cameras."""
    difference = one.cam_to_world[0, :3, :3].double().mT @ other.cam_to_world[0, :3, :3].double()
    # ‖R - Rᵀ‖ / √8 is the sine; near 0 it is exact where the arc cosine of the trace is not.
    sine = (difference - difference.mT).norm() / 8**0.5
    return torch.atan2(sine, (difference.trace() - 1) / 2).rad2deg().item()
