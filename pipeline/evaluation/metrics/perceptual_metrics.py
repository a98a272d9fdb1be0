"""Metrics on features of published networks: LPIPS, DISTS, identity.

The weights are the user's files. A metric whose weights are absent is unavailable; nothing replaces
it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from pipeline.losses.dists import DISTS, FITTED, L2Pool, fitted_weights
from pipeline.losses.dlib_resnet import SAME_IDENTITY, DlibResNet
from pipeline.losses.identity import EG3D_FACE_BOX, SOURCE, crop_face, face_network
from pipeline.losses.identity_distance import FILE as IDENTITY_FILE
from pipeline.losses.identity_distance import dlib_crop
from pipeline.losses.perceptual import LPIPS, NETWORKS, head_weights
from pipeline.losses.shift_tolerant import FILE as SHIFT_TOLERANT_FILE
from pipeline.losses.shift_tolerant import SMALLEST, load_shift_tolerant_lpips
from pipeline.losses.trunks import VGG16_FILE, torchvision_file, vgg16
from pipeline.losses.weight_files import WeightFile, require_weights
from pipeline.runs.files import sha256_of_file

from .metric import Metric
from .scoring_input import Numbers, ScoringInput
from .view_metrics import NO_REFERENCE, ViewMetric

DEFAULT_FACES = "arcface_r50.pth"
"""The file of the identity loss's default."""


def lpips_metric(
    weights: Path, network: str = "alexnet", file: str | None = None, sha256: str | None = None
) -> ViewMetric:
    """LPIPS 0.1 of images in [-1, 1] (Zhang et al. 2018); most papers report AlexNet.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file isn't the published one, or the network is unknown.
    """
    if network not in NETWORKS:
        raise ValueError(f"LPIPS has no weights for {network!r}: expected {' or '.join(NETWORKS)}")
    published = NETWORKS[network]
    trunk_file = torchvision_file(published.trunk_file, network, file=file, sha256=sha256)
    trunk_path, heads_path = require_weights([trunk_file, published.heads], weights)
    trunk = published.build().load(trunk_path, trunk_file.contents)
    model = LPIPS(trunk, head_weights(heads_path, trunk.channels)).eval().requires_grad_(False)
    metric = Metric(
        "LPIPS",
        "",
        False,
        f"distance of activations of {network}, version 0.1",
        4,
        _file(trunk_path),
    )
    return ViewMetric(
        "lpips",
        metric,
        _between(model, trunk.smallest),
        f"{NO_REFERENCE}, or they are smaller than {trunk.smallest} pixels",
    )


def dists_metric(weights: Path, file: str | None = None, sha256: str | None = None) -> ViewMetric:
    """DISTS (Ding et al. 2020). Raises as `lpips_measure`."""
    trunk_file = torchvision_file(VGG16_FILE, "vgg16", file=file, sha256=sha256)
    trunk_path, fitted_path = require_weights([trunk_file, FITTED], weights)
    trunk = vgg16(pool=L2Pool).load(trunk_path, trunk_file.contents)
    model = (
        DISTS(trunk, *fitted_weights(fitted_path, 3 + sum(trunk.channels)))
        .eval()
        .requires_grad_(False)
    )
    metric = Metric(
        "DISTS",
        "",
        False,
        "distance of structure and texture in activations of VGG16, tolerant of displaced texture",
        4,
    )
    return ViewMetric(
        "dists",
        metric.with_weights(_file(trunk_path)),
        _between(model, trunk.smallest),
        f"{NO_REFERENCE}, or they are smaller than {trunk.smallest} pixels",
    )


def shift_tolerant_metric(weights: Path) -> ViewMetric:
    """Shift-tolerant LPIPS (Ghildyal and Liu 2022). Raises as `lpips_measure`."""
    (path,) = require_weights([SHIFT_TOLERANT_FILE], weights)
    metric = Metric(
        "shift-tolerant LPIPS",
        "",
        False,
        "LPIPS on an AlexNet that blurs wherever it strides; its numbers aren't LPIPS's",
        4,
        _file(path),
    )
    return ViewMetric(
        "shift_tolerant_lpips",
        metric,
        _between(load_shift_tolerant_lpips(path), SMALLEST),
        f"{NO_REFERENCE}, or they are smaller than {SMALLEST} pixels",
    )


def identity_metric(
    weights: Path, file: str | None = None, sha256: str | None = None
) -> ViewMetric:
    """Cosine of the face embeddings of each predicted view and of the picture that was given.
    Raises as `lpips_measure`.
    """
    (path,) = require_weights(
        [WeightFile(file or DEFAULT_FACES, "an ArcFace or MagFace network", SOURCE, sha256)],
        weights,
    )
    network = face_network(path).eval().requires_grad_(False)

    def score(seen: ScoringInput) -> Numbers | None:
        if seen.given is None:
            return None
        given, views = (
            network(crop_face(image, EG3D_FACE_BOX))
            for image in (seen.given, seen.prediction.image)
        )
        return F.cosine_similarity(views, given.expand_as(views))

    metric = Metric(
        "identity",
        "",
        True,
        "cosine similarity of the face embeddings of the predicted view and the input image",
        3,
        _file(path),
    )
    return ViewMetric("identity", metric, score, "no item has an input image")


def identity_distance_metric(weights: Path) -> ViewMetric:
    """Euclidean distance of dlib's face embeddings of each predicted view and of the picture that
    was given. Raises as `lpips_measure`.
    """
    (path,) = require_weights([IDENTITY_FILE], weights)
    network = DlibResNet.load(path).eval().requires_grad_(False)

    def score(seen: ScoringInput) -> Numbers | None:
        if seen.given is None:
            return None
        given, views = (network(dlib_crop(image)) for image in (seen.given, seen.prediction.image))
        return (views - given).norm(dim=1)

    metric = Metric(
        "identity distance",
        "",
        False,
        "distance of dlib's face embeddings of the predicted view and the input image; below"
        f" {SAME_IDENTITY} dlib calls them one identity",
        3,
        _file(path),
    )
    return ViewMetric("identity_distance", metric, score, "no item has an input image")


def _between(model: torch.nn.Module, smallest: int) -> Callable[[ScoringInput], Numbers | None]:
    def score(seen: ScoringInput) -> Numbers | None:
        if seen.reference is None or min(seen.reference.image.shape[-2:]) < smallest:
            return None
        # One view at a time, so that memory doesn't grow with the number of views.
        pairs = zip(seen.prediction.image.split(1), seen.reference.image.split(1), strict=True)
        return torch.cat([model(one, other).reshape(1) for one, other in pairs])

    return score


def _file(path: Path) -> dict[str, Any]:
    return {"file": path.name, "sha256": sha256_of_file(path)}
