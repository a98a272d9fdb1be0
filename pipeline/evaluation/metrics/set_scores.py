"""Scores of all pictures of a method together: FID, KID, jitter. They have no interval over
identities but that of jitter.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.evaluation.means import mean_over_identities
from pipeline.evaluation.picture_store import PictureStore
from pipeline.evaluation.results import headline
from pipeline.runs.files import sha256_of_file
from pipeline.runs.json_lines import Line

from .distances import FEWEST, frechet_inception_distance, kernel_distance
from .inception import Inception, load_inception
from .jitter import CAMERA_JITTER, CANONICAL_JITTER, camera_jitter, canonical_jitter
from .metric import Metric

FID = Metric(
    "FID",
    "",
    False,
    "Fréchet distance of Inception features to the true (else the given) pictures; biased upwards"
    " below 10 000",
    2,
)
KID = Metric(
    "KID",
    "",
    False,
    "squared maximum mean discrepancy of Inception features (cubic kernel), unbiased",
    5,
)
NO_FILM = "no item is a frame of a film"


def with_set_scores(
    summary: dict[str, Any], lines: Sequence[Line], output: Path, weights: Path
) -> dict[str, Any]:
    """The summary with FID, KID and jitter among its metrics, or among what was not computed."""
    store = PictureStore(output)
    for name, metric, score in (
        ("jitter_camera", CAMERA_JITTER, camera_jitter),
        ("jitter_canonical", CANONICAL_JITTER, canonical_jitter),
    ):
        found = {
            method: mean_over_identities(score(_of(lines, method), store))
            for method in summary["methods"]
        }
        told = {method: None if mean is None else mean.as_dict() for method, mean in found.items()}
        _add(summary, name, metric, told, NO_FILM)
    try:
        network, path = load_inception(weights)
    except FileNotFoundError as error:
        summary["not_computed"] += [
            {"metric": name, "why": " ".join(str(error).split())} for name in ("fid", "kid")
        ]
        return summary
    file = {"file": path.name, "sha256": sha256_of_file(path)}
    features = {
        method: _features(_of(headline(lines), method), store, network)
        for method in summary["methods"]
    }
    for name, metric, distance in (
        ("fid", FID, frechet_inception_distance),
        ("kid", KID, kernel_distance),
    ):
        why = f"fewer than {FEWEST} pictures"
        _add(
            summary,
            name,
            metric.with_weights(file),
            {method: _told(distance, *pair) for method, pair in features.items()},
            why,
        )
    return summary


def _add(
    summary: dict[str, Any], name: str, metric: Metric, told: dict[str, Any], why: str
) -> None:
    if not any(told.values()):
        summary["not_computed"].append({"metric": name, "why": why})
        return
    summary["metrics"][name] = metric.as_dict()
    for method, mean in told.items():
        summary["scores"][method]["all"][name] = mean


def _features(
    lines: Sequence[Line], store: PictureStore, network: Inception
) -> tuple[Tensor, Tensor]:
    """Of the predictions, and of the different pictures that they are compared with."""
    shown = [line["files"]["prediction"] for line in lines if line["files"]["prediction"]]
    real = [line["files"]["truth"] or line["files"]["input"] for line in lines]
    return _looked_at(shown, store, network), _looked_at(
        list(dict.fromkeys(filter(None, real))), store, network
    )


def _looked_at(paths: Sequence[str], store: PictureStore, network: Inception) -> Tensor:
    if not paths:
        return torch.zeros(0, 0)
    return torch.cat([network(store.get_picture(path)[None]) for path in paths])


def _told(
    distance: Callable[[Tensor, Tensor], float], shown: Tensor, real: Tensor
) -> dict[str, Any] | None:
    if min(len(shown), len(real)) < FEWEST:
        return None
    return {
        "mean": round(distance(shown, real), 6),
        "low": None,
        "high": None,
        "identities": len(real),
        "pictures": len(shown),
    }


def _of(lines: Sequence[Line], method: str) -> list[Line]:
    return [line for line in lines if line["method"] == method]
