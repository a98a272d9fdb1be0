"""Measures that need a file: what they say with one (of random weights), and that nothing stands in
without.
"""

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from pipeline.evaluation.metrics.available import available_measures
from pipeline.evaluation.metrics.comparison import Comparison
from pipeline.evaluation.metrics.perceptual_measures import (
    dists_measure,
    identity_measure,
    lpips_measure,
)
from pipeline.evaluation.suites.suite import Truth
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
def measures(weights):
    return (
        lpips_measure(weights, file="alex.pth"),
        dists_measure(weights, file="vgg.pth"),
        identity_measure(weights, file="face.safetensors"),
    )


def seen(noise: float, side: int = 48, given: bool = True) -> Comparison:
    random = torch.Generator().manual_seed(0)
    truth = (
        F.interpolate(
            torch.rand(2, 3, 6, 6, generator=random), size=(side, side), mode="bicubic"
        ).clamp(0, 1)
        * 2
        - 1
    )
    other = (truth + noise * torch.randn(truth.shape, generator=random)).clamp(-1, 1)
    cameras = Camera.orbit(torch.zeros(2), torch.zeros(2))
    return Comparison(Truth(other), cameras, Truth(truth), truth[:1] if given else None)


def test_distances_are_nothing_for_equal_pictures_and_grow_with_noise(measures):
    for measure in measures[:2]:
        values = [measure.score(seen(noise)) for noise in (0.0, 0.05, 0.3)]
        means = [value.mean().item() for value in values if value is not None]
        assert means[0] == pytest.approx(0, abs=1e-5) and means[0] < means[1] < means[2]


def test_each_view_has_a_number_of_its_own(measures):
    for measure in measures:
        both = measure.score(seen(0.2))
        assert both is not None and both.shape == (2,) and both[0] != both[1]


def test_pictures_that_are_too_small_have_none(measures):
    assert measures[0].score(seen(0.1, side=16)) is None and "31 pixels" in measures[0].missing


def test_identity_is_the_cosine_with_the_given_picture(measures, weights):
    comparison, network = seen(0.3), IResNet.load(weights / "face.safetensors").eval()
    found = measures[2].score(comparison)
    with torch.no_grad():
        views, given = (
            network(crop_face(image, EG3D_FACE_BOX))
            for image in (comparison.prediction.image, comparison.given)
        )
    assert found is not None and found[1].item() == pytest.approx(
        (F.normalize(views) @ F.normalize(given).mT)[1, 0].item(), abs=1e-5
    )
    same = measures[2].score(seen(0.0))
    assert same is not None and same[0].item() == pytest.approx(1, abs=1e-5)
    assert measures[2].score(seen(0.0, given=False)) is None


def test_a_measure_names_its_file_and_hash(measures, weights):
    assert measures[0].metric.weights == {
        "file": "alex.pth",
        "sha256": sha256_of_file(weights / "alex.pth"),
    }
    assert measures[2].metric.weights == {
        "file": "face.safetensors",
        "sha256": sha256_of_file(weights / "face.safetensors"),
    }


def test_what_is_absent_is_listed_with_file_and_hash_and_never_replaced(weights, tmp_path):
    here = available_measures(weights, WANTED, None)
    assert {"lpips", "dists", "identity"} <= {measure.name for measure in here.measures} and set(
        here.absent
    ) == {"pose"}
    nowhere = available_measures(
        tmp_path, {"lpips": {}, "dists": {}, "identity": None}, lambda image: None
    )
    assert (
        "alexnet-owt-7be5be79.pth" in nowhere.absent["lpips"]
        and "vgg16-397923af.pth" in nowhere.absent["dists"]
    )
    assert nowhere.absent["identity"] == "not wanted" and "pose" in {
        measure.name for measure in nowhere.measures
    }
    assert not {"lpips", "dists", "identity"} & {measure.name for measure in nowhere.measures}


def test_another_file_than_the_published_one_is_an_error_not_an_absence(weights, tmp_path):
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes((weights / "alex.pth").read_bytes())
    with pytest.raises(ValueError, match="7be5be79"):
        available_measures(tmp_path, WANTED | {"lpips": {}}, None)
