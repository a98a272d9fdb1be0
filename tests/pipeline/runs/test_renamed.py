"""Configurations, descriptions and scores of earlier versions read as those of this version."""

import importlib

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


@pytest.mark.parametrize("address", sorted(set(MOVED.values())))
def test_every_present_address_can_be_imported(address):
    module, _, name = address.rpartition(".")
    try:
        importlib.import_module(address)
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), name)


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
