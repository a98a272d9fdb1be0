"""Measures that need a file: what they say with one (of random weights), and that nothing stands in
without.
"""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from pipeline.evaluation.items import ItemViews
from pipeline.evaluation.metrics.available import available_metrics
from pipeline.evaluation.metrics.perceptual_metrics import (
    dists_metric,
    identity_metric,
    lpips_metric,
)
from pipeline.evaluation.metrics.scoring_input import ScoringInput
from pipeline.losses.identity import EG3D_FACE_BOX, crop_face
from pipeline.losses.iresnet import IResNet
from pipeline.losses.trunks import alexnet, vgg16
from pipeline.runs.files import sha256_of_file
from teachers.rendering.camera import Camera

WANTED = {
    "lpips": {"file": "alex.pth"},
    "dists": {"file": "vgg.pth"},
    "identity": {"file": "face.safetensors"},
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    torch.save(alexnet().state_dict(), folder / "alex.pth")
    torch.save(vgg16().state_dict(), folder / "vgg.pth")
    save_file(IResNet((1, 1, 1, 1), embedding=16).state_dict(), folder / "face.safetensors")
    return folder


@pytest.fixture(scope="module")
def metrics(weights):
    return (
        lpips_metric(weights, file="alex.pth"),
        dists_metric(weights, file="vgg.pth"),
        identity_metric(weights, file="face.safetensors"),
    )


def seen(noise: float, side: int = 48, given: bool = True) -> ScoringInput:
    random = torch.Generator().manual_seed(0)
    reference = (
        F.interpolate(
            torch.rand(2, 3, 6, 6, generator=random), size=(side, side), mode="bicubic"
        ).clamp(0, 1)
        * 2
        - 1
    )
    other = (reference + noise * torch.randn(reference.shape, generator=random)).clamp(-1, 1)
    cameras = Camera.orbit(torch.zeros(2), torch.zeros(2))
    return ScoringInput(
        ItemViews(other), cameras, ItemViews(reference), reference[:1] if given else None
    )


def test_distances_are_nothing_for_equal_pictures_and_grow_with_noise(metrics):
    for measure in metrics[:2]:
        values = [measure.score(seen(noise)) for noise in (0.0, 0.05, 0.3)]
        means = [value.mean().item() for value in values if value is not None]
        assert means[0] == pytest.approx(0, abs=1e-5) and means[0] < means[1] < means[2]


def test_each_view_has_a_number_of_its_own(metrics):
    for measure in metrics:
        both = measure.score(seen(0.2))
        assert both is not None and both.shape == (2,) and both[0] != both[1]


def test_pictures_that_are_too_small_have_none(metrics):
    assert metrics[0].score(seen(0.1, side=16)) is None and "31 pixels" in metrics[0].why_missing


def test_identity_is_the_cosine_with_the_given_picture(metrics, weights):
    comparison, network = seen(0.3), IResNet.load(weights / "face.safetensors").eval()
    found = metrics[2].score(comparison)
    with torch.no_grad():
        views, given = (
            network(crop_face(image, EG3D_FACE_BOX))
            for image in (comparison.prediction.image, comparison.given)
        )
    assert found is not None and found[1].item() == pytest.approx(
        (F.normalize(views) @ F.normalize(given).mT)[1, 0].item(), abs=1e-5
    )
    same = metrics[2].score(seen(0.0))
    assert same is not None and same[0].item() == pytest.approx(1, abs=1e-5)
    assert metrics[2].score(seen(0.0, given=False)) is None


def test_a_measure_names_its_file_and_hash(metrics, weights):
    assert metrics[0].description.weights == {
        "file": "alex.pth",
        "sha256": sha256_of_file(weights / "alex.pth"),
    }
    assert metrics[2].description.weights == {
        "file": "face.safetensors",
        "sha256": sha256_of_file(weights / "face.safetensors"),
    }


def test_what_is_absent_is_listed_with_file_and_hash_and_never_replaced(weights, tmp_path):
    here = available_metrics(weights, WANTED, None)
    assert {"lpips", "dists", "identity"} <= {metric.name for metric in here.metrics} and set(
        here.unavailable
    ) == {"pose"}
    nowhere = available_metrics(
        tmp_path, {"lpips": {}, "dists": {}, "identity": None}, lambda image: None
    )
    assert (
        "alexnet-owt-7be5be79.pth" in nowhere.unavailable["lpips"]
        and "vgg16-397923af.pth" in nowhere.unavailable["dists"]
    )
    assert nowhere.unavailable["identity"] == "disabled" and "pose" in {
        metric.name for metric in nowhere.metrics
    }
    assert not {"lpips", "dists", "identity"} & {metric.name for metric in nowhere.metrics}


def test_another_file_than_the_published_one_is_an_error_not_an_absence(weights, tmp_path):
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes((weights / "alex.pth").read_bytes())
    with pytest.raises(ValueError, match="7be5be79"):
        available_metrics(tmp_path, WANTED | {"lpips": {}}, None)
