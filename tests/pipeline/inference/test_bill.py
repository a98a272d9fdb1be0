"""The bill of materials states what metadata states, and unknown for the rest."""

import json

import pytest

from pipeline.build.configuration import compose
from pipeline.inference.bill import RIGHTS, Item, bill_of
from pipeline.verbs import licenses
from teachers.checkpoint import teacher_folder
from teachers.eg3d.weights import LICENCE


def test_the_bill_of_the_bundled_student(capsys):
    licenses.main(compose("licenses", "format=json"))
    items = json.loads(capsys.readouterr().out)
    student, teacher, data = items[:3]
    passport = json.loads((teacher_folder("bundled/puppets") / "passport.json").read_text())
    assert student["name"].startswith("student puppets_tiny")
    assert teacher["sha256"] == passport["source_hash"]
    assert student["licence"] == teacher["licence"] == passport["licence"]
    assert student["permits"]["commercial use"] == "yes"
    assert data["kind"] == "data" and data["licence"] == "unknown"
    names = " ".join(item["name"] for item in items)
    assert all(name in names for name in ("face_landmark", "canonical_face", "selfie_segment"))


def test_a_licence_that_is_not_known_permits_nothing_by_guess():
    for stated in ("unknown", "Apache-2.0-like", "", "Apache-2.0; Started from another"):
        assert set(Item("weights", "a", stated, "b").permits.values()) == {"unknown"}
    for stated in (LICENCE, f"Apache-2.0. Started from: {LICENCE}", "MIT; data non-commercial"):
        assert Item("weights", "a", stated, "b").permits["commercial use"] == "no"
    assert list(Item("weights", "a", "CC0-1.0", "b").permits) == list(RIGHTS)


def test_a_file_without_metadata_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="safetensors"):
        bill_of(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no"):
        bill_of(tmp_path / "b")
