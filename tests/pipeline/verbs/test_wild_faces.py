"""The commands of docs/evaluation.md on a real photograph, with real networks."""

import json

import pytest
from PIL import Image
from skimage import data

from pipeline.build.configuration import compose
from pipeline.verbs import evaluate, prepare
from tests.published_weights import published_faces


@pytest.fixture(scope="module")
def astronaut(tmp_path_factory):
    folder = tmp_path_factory.mktemp("astronaut")
    Image.fromarray(data.astronaut()).save(folder / "astronaut.png")
    return folder


def test_prepare_finds_the_astronaut_s_face_and_camera(astronaut, tmp_path):
    prepare.main(compose("prepare", f"input={astronaut}", f"output={tmp_path}", "resolution=128"))
    (label,) = json.loads((tmp_path / "dataset.json").read_text())["labels"]
    assert label[0].endswith(".png") and len(label[1]) == 25


def test_wild_scores_the_astronaut_by_every_published_network(astronaut, tmp_path):
    settings = [
        "suite=wild",
        f"suite.path={astronaut}",
        "checkpoint=bundled/puppets_tiny",
        f"output={tmp_path}",
        "methods=[student]",
        "ceiling_identities=0",
        "suite.invariance.items=0",
        "device=cpu",
        f"paths.weights={published_faces()}",
    ]
    evaluate.main(compose("evaluate", *settings))
    results = json.loads((tmp_path / "results.json").read_text())
    scores = results["scores"]["student"]["all"]
    mean = {name: scores[name]["mean"] for name in scores if scores[name]}
    # a student of cartoons: far from the photograph, but every number is there
    assert mean["identity_distance"] > 0.6 and 0 < mean["lpips"] < 1.5 and 0 < mean["dists"] < 1
    assert 0 < mean["shift_tolerant_lpips"] < 1.5 and mean["cycle"] > 0
    why = {entry["metric"]: entry["why"] for entry in results["unavailable"]}
    assert "fewer than 2 images" in why["frechet_efficientnet_lite0"]
    assert not {"lpips", "dists", "identity_distance", "shift_tolerant_lpips"} & set(why)
    assert "pose" in mean or "found a face in no image" in why["pose"]
