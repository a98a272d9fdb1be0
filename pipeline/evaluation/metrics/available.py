"""Which measures there are on this machine, and why the others aren't."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .measures import MEASURES, Measure
from .perceptual_measures import dists_measure, identity_measure, lpips_measure
from .pose_measure import PoseEstimator, pose_measure

NEED_WEIGHTS: dict[str, Callable[..., Measure]] = {
    "lpips": lpips_measure,
    "dists": dists_measure,
    "identity": identity_measure,
}

NO_POSE = (
    "no pose estimator is configured: give pose_estimator=…, something that finds a face and its"
    " camera in a picture"
)


@dataclass(frozen=True)
class Available:
    """What can be measured.

    Attributes:
        measures: those that can.
        absent: names of the others → why.
    """

    measures: tuple[Measure, ...]
    absent: Mapping[str, str]


def available_measures(
    weights: Path, settings: Mapping[str, Mapping[str, Any] | None], estimator: PoseEstimator | None
) -> Available:
    """All measures of single views.

    Args:
        weights: folder of published networks.
        settings: arguments of those that need a file, by name; None: that one isn't wanted.
        estimator: finds the camera of a picture, for the pose error.

    Raises:
        ValueError: a file is another one than it should be: that is no absence.
    """
    measures, absent = list(MEASURES), {}
    for name, build in NEED_WEIGHTS.items():
        chosen = settings.get(name)
        if chosen is None:
            absent[name] = "not wanted"
            continue
        try:
            measures.append(build(weights, **chosen))
        except FileNotFoundError as error:
            absent[name] = " ".join(str(error).split())
    if estimator is None:
        absent["pose"] = NO_POSE
    else:
        measures.append(pose_measure(estimator))
    return Available(tuple(measures), absent)
