"""Does the face in a rendered picture look where the camera says? Asked of a pose estimator."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera

from .comparison import Comparison, Numbers
from .measures import Measure
from .metric import Metric

PoseEstimator = Callable[[Float[Tensor, "3 height width"]], Camera | None]
"""One picture in [-1, 1] → the camera that it seems to have been taken with; None where no face is
found.
"""

POSE = Metric(
    "pose error",
    "°",
    False,
    "angle between the camera's rotation and that which the estimator finds in the picture",
    2,
)


def pose_measure(estimator: PoseEstimator) -> Measure:
    """The angle in degrees for each view; NaN where the estimator finds no face."""

    def score(seen: Comparison) -> Numbers:
        found = [estimator(image) for image in seen.prediction.image]
        wanted = [seen.camera[view : view + 1] for view in range(len(found))]
        angles = [
            math.nan if one is None else rotation_angle(one, other)
            for one, other in zip(found, wanted, strict=True)
        ]
        return torch.tensor(angles)

    return Measure("pose", POSE, score, "the estimator found a face in no picture")


def rotation_angle(one: Camera, other: Camera) -> float:
    """The angle in degrees of the rotation between two cameras."""
    difference = one.cam_to_world[0, :3, :3].double().mT @ other.cam_to_world[0, :3, :3].double()
    sine = (
        difference - difference.mT
    ).norm() / 8**0.5  # exact near 0, where the trace's arc cosine is not
    return torch.atan2(sine, (difference.trace() - 1) / 2).rad2deg().item()
