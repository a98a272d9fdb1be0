"""Which metrics can be computed on this machine, and why the others can't."""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.runs.json_lines import Line
from teachers.plain_values import require_arguments, shown

from .metric import is_former
from .perceptual_metrics import (
    dists_metric,
    identity_distance_metric,
    identity_metric,
    lpips_metric,
    shift_tolerant_metric,
)
from .pose_metric import PoseEstimator, pose_metric
from .view_metrics import VIEW_METRICS, ViewMetric

NEED_WEIGHTS: dict[str, Callable[..., ViewMetric]] = {
    "lpips": lpips_metric,
    "dists": dists_metric,
    "shift_tolerant_lpips": shift_tolerant_metric,
    "identity": identity_metric,
    "identity_distance": identity_distance_metric,
}

OTHERWISE = (
    "this evaluation began when it was computed otherwise: for its present definition, evaluate"
    " into a new folder"
)

LATER = "this evaluation began without it: to have it for all items, evaluate into a new folder"

NO_POSE = (
    "no pose estimator is configured: give pose_estimator=…, something that finds a face and its"
    " camera in an image"
)


@dataclass(frozen=True)
class AvailableMetrics:
    """The metrics of single views.

    Attributes:
        metrics: those that can be computed.
        unavailable: names of the others → why.
    """

    metrics: tuple[ViewMetric, ...]
    unavailable: Mapping[str, str]


def available_metrics(
    weights: Path, settings: Mapping[str, Mapping[str, Any] | None], estimator: PoseEstimator | None
) -> AvailableMetrics:
    """Builds every metric whose weights are present.

    Args:
        weights: folder of published networks.
        settings: arguments of those that need a file, by name; None disables a metric.
        estimator: finds the camera of an image, for the pose error.

    Raises:
        ValueError: a file is present but isn't the published one, or an argument isn't one.
    """
    metrics, unavailable = list(VIEW_METRICS), {}
    for name, build in NEED_WEIGHTS.items():
        if name not in settings:  # an evaluation of an earlier version
            continue
        chosen = settings.get(name)
        if chosen is None:
            unavailable[name] = "disabled"
            continue
        try:
            metrics.append(build(weights, **_arguments(name, build, chosen)))
        except FileNotFoundError as error:
            unavailable[name] = " ".join(str(error).split())
    if estimator is None:
        unavailable["pose"] = NO_POSE
    else:
        metrics.append(pose_metric(estimator))
    return AvailableMetrics(tuple(metrics), unavailable)


def _arguments(name: str, build: Callable[..., ViewMetric], chosen: Any) -> dict[str, Any]:
    known = list(inspect.signature(build).parameters)[1:]
    if not isinstance(chosen, Mapping) or set(chosen) - set(known):
        raise ValueError(
            f"metrics.{name} is {shown(chosen)}: give null, or keys of {', '.join(known) or '{}'}"
        )
    require_arguments(build, dict(chosen), f"metrics.{name}")
    return dict(chosen)


def as_measured(available: AvailableMetrics, lines: Sequence[Line]) -> AvailableMetrics:
    """The metrics without those that an evaluation began without, whose weights came later: a mean
    would be that of the items since then.

    Args:
        available: as this machine has them.
        lines: score lines of the evaluation so far.
    """
    scored = [line for line in lines if line["prediction_sha256"] is not None]
    later = {one.name for one in available.metrics if any(one.name not in line for line in scored)}
    return _without(available, later, LATER)


def as_begun(available: AvailableMetrics, results: Mapping[str, Any]) -> AvailableMetrics:
    """The metrics without those that an evaluation began with in an earlier definition.

    Args:
        available: as this version defines them.
        results: results.json of the evaluation.
    """
    absent = {entry["metric"]: entry["why"] for entry in results.get("unavailable") or ()}
    former = {name for name, about in results["metrics"].items() if is_former(about)}
    former |= {name for name, why in absent.items() if why == OTHERWISE}
    return _without(available, former, OTHERWISE)


def _without(available: AvailableMetrics, names: Collection[str], why: str) -> AvailableMetrics:
    return AvailableMetrics(
        tuple(metric for metric in available.metrics if metric.name not in names),
        {**available.unavailable, **dict.fromkeys(sorted(names), why)},
    )
