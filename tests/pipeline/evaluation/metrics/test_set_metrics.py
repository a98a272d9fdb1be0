"""FID and KID against closed forms, the network's shapes, and jitter of camera and shape."""

import pytest
import torch
from torch import nn

from pipeline.evaluation.metrics import set_metrics
from pipeline.evaluation.metrics.distances import frechet_inception_distance, kernel_distance
from pipeline.evaluation.metrics.inception import INCEPTION_FILE, Inception, load_inception
from pipeline.evaluation.metrics.jitter import camera_jitter, canonical_jitter
from pipeline.evaluation.metrics.metric import Metric
from pipeline.evaluation.metrics.set_metrics import add_set_metrics
from pipeline.evaluation.picture_store import PictureStore


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with the network's file, random but of the right shapes."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    torch.save(
        Inception().state_dict()
        | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)},
        folder / "own.pth",
    )
    return folder


def features(mean: float, deviation: float, count: int = 4000, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(
        count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    )
    drawn = (drawn - drawn.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(drawn.mT.cov())).mT
    return drawn * deviation + mean


def test_the_distance_of_two_gaussians_is_that_of_their_means_and_deviations():
    found = frechet_inception_distance(features(1.5, 2.0, seed=1), features(0.5, 0.5))
    assert found == pytest.approx(3 * (1.0**2 + (2.0 - 0.5) ** 2), rel=1e-6)
    assert frechet_inception_distance(features(0, 1), features(0, 1, seed=2)) == pytest.approx(
        0, abs=1e-6
    )


def test_kid_is_the_unbiased_estimate_written_out():
    one, other = torch.randn(
        2, 6, 4, generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    cubic = lambda a, b: (a @ b.mT / 4 + 1) ** 3  # noqa: E731
    off = lambda k: (k.sum() - k.diagonal().sum()) / (6 * 5)  # noqa: E731
    expected = off(cubic(one, one)) + off(cubic(other, other)) - 2 * cubic(one, other).mean()
    assert kernel_distance(one, other) == pytest.approx(expected.item(), rel=1e-5)
    before = torch.random.get_rng_state()
    assert kernel_distance(one, other[:4]) == kernel_distance(one, other[:4])
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_network_has_the_published_size_and_layers():
    network = Inception()
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_785_568
    names = set(network.state_dict())
    for name in (
        "Mixed_5b.branch5x5_2.conv.weight",
        "Mixed_6e.branch7x7dbl_5.bn.running_var",
        "Mixed_7a.branch7x7x3_4.conv.weight",
    ):
        assert name in names
    assert (
        network.Mixed_7c.branch3x3dbl_3b.conv.weight.shape == (384, 384, 3, 1)
        and len(network.Mixed_7b.chains) == 3
    )


def test_a_file_is_read_and_another_one_is_refused(weights):
    network, path = load_inception(weights, file="own.pth")
    assert path.name == "own.pth" and network(torch.zeros(1, 3, 32, 32)).shape == (1, 2048)
    (weights / INCEPTION_FILE).write_bytes(b"something else")
    with pytest.raises(ValueError, match="6726825d"):
        load_inception(weights)
    torch.save({"fc.weight": torch.zeros(2)}, weights / "wrong.pth")
    with pytest.raises(ValueError, match="Conv2d_1a_3x3"):
        load_inception(weights, file="wrong.pth")


def frames(
    store: PictureStore, method: str, shown: list[float], reference: list[float], front: list[float]
) -> list[dict]:
    """A film of grey pictures, one line a frame."""
    lines = []
    for number, levels in enumerate(zip(shown, reference, front, strict=True)):
        paths = [
            store.picture(owner, f"f{number}", view)
            for owner, view in ((method, 0), ("truth", 0), (method, "frontal"))
        ]
        for path, level in zip(paths, levels, strict=True):
            store.put_picture(path, torch.full((3, 8, 8), level))
        files = dict(zip(("prediction", "truth", "frontal"), paths, strict=True)) | {
            "input": paths[1]
        }
        lines.append(
            {
                "method": method,
                "item": f"f{number}",
                "view": 0,
                "sequence": "film",
                "gap_deg": 0.0,
                "files": files,
            }
        )
    return lines


def test_following_the_film_is_no_jitter_and_a_moving_front_is(tmp_path):
    store, level = PictureStore(tmp_path), 2 / 255
    grey = lambda *steps: [-1 + level * step for step in steps]  # noqa: E731 (levels that 8 bits hold exactly)
    lines = frames(store, "student", grey(10, 20, 30), grey(0, 10, 20), grey(90, 95, 90))
    assert [value for _, value in camera_jitter(lines, store)] == pytest.approx([0, 0], abs=1e-6)
    assert [value for _, value in canonical_jitter(lines, store)] == pytest.approx(
        [5 * level, 5 * level], rel=1e-3
    )
    still = frames(store, "other", grey(0, 0, 0), grey(0, 10, 20), grey(9, 9, 9))
    assert camera_jitter(still, store) == [("film", pytest.approx(10 * level, rel=1e-3))] * 2
    assert {value for _, value in canonical_jitter(still, store)} == {0.0}


def test_a_frame_without_a_picture_has_no_neighbours(tmp_path):
    store = PictureStore(tmp_path)
    drift = [0.1 * step for step in range(5)]
    lines = frames(store, "student", drift, [0.0] * 5, drift)
    lines[2]["files"] |= {"prediction": None, "frontal": None}
    for jitter in (camera_jitter, canonical_jitter):
        assert [value for _, value in jitter(lines, store)] == pytest.approx([0.1, 0.1], abs=0.01)
    for line in lines[1:4]:
        line["files"] |= {"prediction": None, "frontal": None}
    assert camera_jitter(lines, store) == canonical_jitter(lines, store) == []


def test_a_distance_says_how_many_pictures_it_compares(tmp_path, monkeypatch):
    file = tmp_path / "network.pth"
    file.write_bytes(b"")
    network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    monkeypatch.setattr(set_metrics, "load_inception", lambda weights: (network, file))
    levels = [0.1 * number for number in range(6)]
    lines = frames(PictureStore(tmp_path), "student", levels, levels, levels)
    summary = {
        "methods": {"student": {}},
        "metrics": {},
        "unavailable": [],
        "scores": {"student": {"all": {}}},
    }
    found = add_set_metrics(summary, lines, tmp_path, tmp_path)["scores"]["student"]["all"]
    for name in ("fid", "kid"):
        assert set(found[name]) == {"mean", "low", "high", "pictures", "references"}
        assert (found[name]["pictures"], found[name]["references"]) == (6, 6)


def test_without_the_file_fid_is_named_with_its_hash_and_not_replaced(tmp_path):
    store = PictureStore(tmp_path)
    lines = frames(store, "student", [0.0, 0.1], [0.0, 0.1], [0.0, 0.0])
    summary = {
        "methods": {"student": {}},
        "metrics": {},
        "unavailable": [],
        "scores": {"student": {"all": {}}},
    }
    results = add_set_metrics(summary, lines, tmp_path, tmp_path / "no weights")
    assert set(results["metrics"]) == {"jitter_camera", "jitter_canonical"}
    assert results["scores"]["student"]["all"]["jitter_camera"]["mean"] == pytest.approx(
        0, abs=1e-6
    )
    why = {entry["metric"]: entry["why"] for entry in results["unavailable"]}
    assert (
        set(why) == {"fid", "kid", "frechet_efficientnet_lite0"}
        and INCEPTION_FILE in why["fid"]
        and "6726825d" in why["kid"]
    )


def test_a_metric_names_its_weight_file():
    metric = Metric("FID", "", False, "distance").with_weights({"file": "a.pth", "sha256": "ab"})
    assert metric.as_dict()["weights"] == {"file": "a.pth", "sha256": "ab"}
