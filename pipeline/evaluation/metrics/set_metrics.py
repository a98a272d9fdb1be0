"""Metrics of all images of a method together: FID, KID, jitter. Only jitter has an interval over
identities.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.evaluation.means import mean_over_identities
from pipeline.evaluation.picture_store import PictureStore
from pipeline.evaluation.score_lines import headline, of_method
from pipeline.runs.files import sha256_of_file
from pipeline.runs.json_lines import Line

from .distances import FEWEST, frechet_inception_distance, kernel_distance
from .efficientnet import load_efficientnet
from .inception import load_inception
from .jitter import CAMERA_JITTER, CANONICAL_JITTER, camera_jitter, canonical_jitter
from .metric import Metric

FID = Metric(
    "FID",
    "",
    False,
    "Fréchet distance of Inception features to the reference (else the input) images; biased"
    " upwards below 10 000",
    2,
)
KID = Metric(
    "KID",
    "",
    False,
    "squared maximum mean discrepancy of Inception features (cubic kernel), unbiased",
    5,
)
FRECHET_EFFICIENTNET = Metric(
    "Fréchet distance, EfficientNet-Lite0",
    "",
    False,
    "as FID, on features of EfficientNet-Lite0: another network, other numbers than FID's",
    3,
)
NO_VIDEO = "no item is a frame of a video"


def add_set_metrics(
    summary: dict[str, Any], lines: Sequence[Line], output: Path, weights: Path
) -> dict[str, Any]:
    """The summary with distances of image sets and jitter among its metrics, or the unavailable."""
    store = PictureStore(output)
    for name, metric, score in (
        ("jitter_camera", CAMERA_JITTER, camera_jitter),
        ("jitter_canonical", CANONICAL_JITTER, canonical_jitter),
    ):
        found = {
            method: mean_over_identities(score(of_method(lines, method), store))
            for method in summary["methods"]
        }
        means = {method: None if mean is None else mean.as_dict() for method, mean in found.items()}
        _add(summary, name, metric, means, NO_VIDEO)
    both = {
        "fid": (FID, frechet_inception_distance),
        "kid": (KID, kernel_distance),
    }
    _add_distances(summary, lines, store, lambda: load_inception(weights), both)
    other = {"frechet_efficientnet_lite0": (FRECHET_EFFICIENTNET, frechet_inception_distance)}
    _add_distances(summary, lines, store, lambda: load_efficientnet(weights), other)
    return summary


def _add_distances(
    summary: dict[str, Any],
    lines: Sequence[Line],
    store: PictureStore,
    load: Callable[[], tuple[nn.Module, Path]],
    distances: Mapping[str, tuple[Metric, Callable[[Tensor, Tensor], float]]],
) -> None:
    """Distances on the features of one network, or why there are none."""
    try:
        network, path = load()
    except FileNotFoundError as error:
        why = " ".join(str(error).split())
        summary["unavailable"] += [{"metric": name, "why": why} for name in distances]
        return
    file = {"file": path.name, "sha256": sha256_of_file(path)}
    features = {
        method: _features(of_method(headline(lines), method), store, network)
        for method in summary["methods"]
    }
    for name, (metric, distance) in distances.items():
        means = {method: _mean_of(distance, *pair) for method, pair in features.items()}
        why = f"fewer than {FEWEST} images"
        _add(summary, name, metric.with_weights(file), means, why)


def _add(
    summary: dict[str, Any], name: str, metric: Metric, means: dict[str, Any], why: str
) -> None:
    if not any(means.values()):
        summary["unavailable"].append({"metric": name, "why": why})
        return
    summary["metrics"][name] = metric.as_dict()
    for method, mean in means.items():
        summary["scores"][method]["all"][name] = mean


def _features(
    lines: Sequence[Line], store: PictureStore, network: nn.Module
) -> tuple[Tensor, Tensor]:
    """Of the predictions, and of the distinct images with which they are compared."""
    predicted = [line["files"]["prediction"] for line in lines if line["files"]["prediction"]]
    real = [line["files"]["truth"] or line["files"]["input"] for line in lines]
    return _through(network, predicted, store), _through(
        network, list(dict.fromkeys(filter(None, real))), store
    )


def _through(network: nn.Module, paths: Sequence[str], store: PictureStore) -> Tensor:
    if not paths:
        return torch.zeros(0, 0)
    return torch.cat([network(store.get_picture(path)[None]) for path in paths])


def _mean_of(
    distance: Callable[[Tensor, Tensor], float], predicted: Tensor, real: Tensor
) -> dict[str, Any] | None:
    """The distance with the numbers of predictions and of distinct reference images; None where
    there are too few.
    """
    if min(len(predicted), len(real)) < FEWEST:
        return None
    return {
        "mean": round(distance(predicted, real), 6),
        "low": None,
        "high": None,
        "pictures": len(predicted),
        "references": len(real),
    }
