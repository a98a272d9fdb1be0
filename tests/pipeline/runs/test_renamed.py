"""Configurations, descriptions and scores of earlier versions read as those of this version."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.runs.renamed import MOVED, RENAMED, VALUES, current, moved, read_json

# Excerpts of what commit 967260b wrote into a configuration, a description, a result and a score.
CONFIGURATION = {
    "teacher": {"_target_": "teachers.checkpoint.load_teacher", "path": "bundled/puppets"},
    "sampler": {
        "people": None,
        "latents": {
            "_target_": "pipeline.sampling.latents.LatentPrior",
            "truncation": {"_target_": "pipeline.sampling.laws.Uniform", "low": 0.7, "high": 1.0},
        },
    },
    "cameras": [
        {"_target_": "pipeline.sampling.cameras.CameraPrior", "pitch_law": "eg3d_sampler_offset"},
        {"_target_": "pipeline.sampling.cameras.OrbitPrior"},
    ],
}
FIXTURES = Path(__file__).parents[2] / "fixtures" / "967260b"
SCORE = {"person": 3, "metric": "psnr_person", "value": 21.5, "views": [1, 2]}


def test_keys_and_addresses_are_renamed_at_every_depth():
    assert current(CONFIGURATION) == {
        "teacher": {"_target_": "teachers.checkpoint.load_teacher", "path": "bundled/puppets"},
        "sampler": {
            "identities": None,
            "latents": {
                "_target_": "pipeline.sampling.latents.LatentPrior",
                "truncation": {
                    "_target_": "pipeline.sampling.distributions.Uniform",
                    "low": 0.7,
                    "high": 1.0,
                },
            },
        },
        "cameras": [
            {
                "_target_": "pipeline.sampling.cameras.OrbitPrior",
                "pitch_distribution": "eg3d_sampler_offset",
            },
            {"_target_": "pipeline.sampling.cameras.OrbitPrior"},
        ],
    }


def test_strings_are_renamed_only_under_their_key():
    assert current(SCORE) == {
        "subject": 3,
        "metric": "psnr_foreground",
        "value": 21.5,
        "views": [1, 2],
    }
    assert current({"note": "psnr_person", "path": "pipeline.sampling.laws"}) == {
        "note": "psnr_person",
        "path": "pipeline.sampling.laws",
    }


def test_keys_that_a_target_has_no_longer_are_left_out():
    target = "pipeline.pretraining.training_images.rendered_images"
    before = "pipeline.data.training_pictures.puppet_pictures"
    assert current({"_target_": before, "compile": True, "count": 3}) == {
        "_target_": target,
        "count": 3,
    }
    assert current({"compile": True}) == {"compile": True}


@pytest.mark.parametrize("value", [None, True, 3, 0.5, "people", [], {}, ["person", 1, [None]]])
def test_plain_values_stay(value):
    assert current(value) == value


def test_the_order_of_keys_stays_and_the_given_value_is_not_changed():
    stored = {"b": 1, "people": 2, "a": {"person": 3}}
    assert list(current(stored)) == ["b", "identities", "a"]
    assert stored == {"b": 1, "people": 2, "a": {"person": 3}}


@pytest.mark.parametrize("stored", [CONFIGURATION, SCORE])
def test_current_values_stay_as_they_are(stored):
    assert current(current(stored)) == current(stored)


@pytest.mark.parametrize(
    ("target", "now"),
    [
        ("pipeline.sampling.laws", "pipeline.sampling.distributions"),
        ("pipeline.sampling.laws.Fixed", "pipeline.sampling.distributions.Fixed"),
        ("pipeline.sampling.laws2.Fixed", "pipeline.sampling.laws2.Fixed"),
        ("pipeline.sampling.cameras.CameraPriors", "pipeline.sampling.cameras.CameraPriors"),
        ("mine.pipeline.sampling.laws.Fixed", "mine.pipeline.sampling.laws.Fixed"),
        ("pipeline.sampling", "pipeline.sampling"),
    ],
)
def test_an_address_moves_only_with_whole_segments(target, now):
    assert moved(target) == now


def is_importable(address: str) -> bool:
    module, _, name = address.rpartition(".")
    try:
        importlib.import_module(address)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(module), name)
    return True


def targets(value: Any) -> set[str]:
    """All values of `_target_` at any depth."""
    if isinstance(value, dict):
        below = set().union(*(targets(inner) for inner in value.values()))
        return below | ({value["_target_"]} if "_target_" in value else set())
    return set().union(*(targets(inner) for inner in value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("address", sorted(set(MOVED.values())))
def test_every_present_address_can_be_imported(address):
    assert is_importable(address)


@pytest.mark.parametrize(
    "file", sorted(FIXTURES.rglob("*.json")), ids=lambda file: file.parent.name
)
def test_every_address_in_a_file_of_967260b_can_be_imported_and_no_former_key_is_left(file):
    read = read_json(file)
    assert {address for address in targets(read) if not is_importable(address)} == set()
    assert current(read) == read
    assert not {f'"{key}":' for key in RENAMED if f'"{key}":' in json.dumps(read)}


@pytest.mark.parametrize("table", [MOVED, RENAMED, *VALUES.values()])
def test_nothing_is_renamed_twice(table):
    assert not {now for now in table.values() if table.get(now, now) != now}
    assert all(moved(now) == now for now in MOVED.values())


def test_no_beginning_of_an_address_hides_another():
    hidden = [(short, long) for short in MOVED for long in MOVED if long.startswith(f"{short}.")]
    assert not hidden


def test_a_file_is_read_with_the_present_keys(tmp_path):
    (tmp_path / "old.json").write_text('{"not_computed": ["lpips"], "pitch_law": {"people": 2}}')
    assert read_json(tmp_path / "old.json") == {
        "unavailable": ["lpips"],
        "pitch_distribution": {"identities": 2},
    }
    (tmp_path / "torn.json").write_text('{"people": ')
    with pytest.raises(ValueError, match="Expecting value"):
        read_json(tmp_path / "torn.json")


def test_a_stored_mediapipe_detector_is_the_face_mesh_without_a_file():
    stored = {
        "_target_": "pipeline.portraits.mediapipe_tasks.MediaPipeDetector",
        "model": "face_landmarker.task",
        "confidence": 0.4,
    }
    target = "pipeline.portraits.facemesh.detector.FaceMeshDetector"
    assert current(stored) == {"_target_": target, "confidence": 0.4}
