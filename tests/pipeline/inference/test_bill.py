"""The bill of materials states what metadata states, and unknown for the rest."""

import dataclasses
import json

import pytest
import torch

from pipeline.build.configuration import compose
from pipeline.build.pretraining import training_data
from pipeline.inference.bill import RIGHTS, Item, bill_of
from pipeline.inference.pretrained import save_pretrained, student_file
from pipeline.inference.triplane_file import save_triplane
from pipeline.lifter import Lifter
from pipeline.verbs import licenses
from pipeline.worlds.opening import WORLDS
from teachers.checkpoint import teacher_folder
from teachers.eg3d.training_sets import training_data_of
from teachers.eg3d.weights import LICENCE


@pytest.mark.parametrize(
    ("world", "asked", "version"),
    [("heads", [], 7), ("puppets", ["file=bundled/puppets"], 1)],
)
def test_the_bill_of_a_bundled_student(capsys, world, asked, version):
    licenses.main(compose("licenses", "format=json", *asked))
    items = json.loads(capsys.readouterr().out)
    student, teacher, data = *items[:2], items[3 if world == "heads" else 2]
    passport = json.loads((teacher_folder(f"bundled/{world}") / "passport.json").read_text())
    assert student["name"].startswith(f"student {world}_tiny")
    assert teacher["sha256"] == passport["source_hash"]
    assert student["licence"] == teacher["licence"] == passport["licence"]
    assert student["permits"]["commercial use"] == "yes"
    assert data["kind"] == "data" and data["licence"] == "Apache-2.0"
    assert data["name"] == f"world of {world}, version {version}, drawn by trilift's code"
    assert not any(item["licence"] in ("unknown", "not recorded") for item in items[:5])
    names = " ".join(item["name"] for item in items)
    assert all(name in names for name in ("face_landmark", "canonical_face", "selfie_segment"))


def changed_student(folder, **passport):
    """The bundled student under another teacher's passport."""
    student = Lifter.load(student_file("bundled/puppets_tiny"))
    student.passport = dataclasses.replace(student.passport, **passport)
    student.save(folder / "student.safetensors")
    return folder / "student.safetensors"


def test_a_student_of_an_earlier_version_says_that_its_data_was_not_recorded(tmp_path):
    old = changed_student(tmp_path, source_hash="f" * 64, name="old", training_data=())
    _, teacher, data = bill_of(old)[:3]
    assert teacher.name == "teacher old"
    assert (data.name, data.licence) == ("training data of teacher old", "not recorded")
    assert set(data.permits.values()) == {"unknown"}


def test_training_data_travels_with_a_student_and_its_triplane(tmp_path):
    entries = training_data_of({"path": "/home/somebody/FFHQ_512.zip"})
    student = changed_student(tmp_path, source_hash="f" * 64, training_data=entries)
    lifter = Lifter.load(student)
    assert lifter.passport.training_data == entries
    planes = lifter.lift(torch.zeros(1, 3, 64, 64))
    save_triplane(tmp_path / "triplane.safetensors", planes, lifter.passport)
    for file in (student, tmp_path / "triplane.safetensors"):
        stated = [item for item in bill_of(file) if item.kind == "data"]
        assert [item.licence for item in stated] == [entry["licence"] for entry in entries]
        assert {item.permits["commercial use"] for item in stated} == {"no"}
        assert "somebody" not in str(stated)


@pytest.mark.parametrize(
    ("path", "name", "licence"),
    [
        ("C:\\data\\afhq_v2_train_cat_512x512.zip", "AFHQ: animal faces", "CC-BY-NC-4.0"),
        ("/data/my_faces/", "training set my_faces", "unknown"),
    ],
)
def test_what_a_snapshot_says_of_its_training_set(path, name, licence):
    (entry,) = training_data_of({"path": path})
    assert entry == {"name": name, "licence": licence}
    assert training_data_of({}) == ()


@pytest.mark.parametrize("world", WORLDS)
def test_a_teacher_of_a_world_records_it_and_what_it_started_from(world):
    config = compose("pretrain", f"data={world}", "start_from=bundled/puppets")
    first, *more = training_data(config)
    assert first["name"].startswith("world of puppets")
    expected = {"puppets": [], "heads": ["Apache-2.0", "CC0-1.0"]}
    assert [entry["licence"] for entry in more] == expected[world]
    config = compose("pretrain", "data=photographs", "data.path=/home/somebody/faces.zip")
    assert training_data(config) == ({"name": "photographs faces.zip", "licence": "unknown"},)


def test_a_licence_that_is_not_known_permits_nothing_by_guess():
    for stated in ("unknown", "Apache-2.0-like", "", "Apache-2.0; Started from another"):
        assert set(Item("weights", "a", stated, "b").permits.values()) == {"unknown"}
    for stated in (LICENCE, f"Apache-2.0. Started from: {LICENCE}", "MIT; data non-commercial"):
        assert Item("weights", "a", stated, "b").permits["commercial use"] == "no"
    assert list(Item("weights", "a", "CC0-1.0", "b").permits) == list(RIGHTS)


def test_the_bill_of_a_student_s_folder_is_that_of_its_file(tmp_path, capsys):
    lifter = Lifter.load(student_file("bundled/puppets_tiny"))
    folder = save_pretrained(lifter, tmp_path / "mine")
    licenses.main(compose("licenses", "format=json", f"file={folder}"))
    items = json.loads(capsys.readouterr().out)
    assert items == [item.record() for item in bill_of(folder / "model.safetensors")]
    assert items[0]["name"].startswith("student model")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"holds no student: .* no passport.json"):
        bill_of(tmp_path / "empty")


def test_a_file_without_metadata_is_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="safetensors"):
        bill_of(tmp_path / "a.safetensors")
    with pytest.raises(FileNotFoundError, match="there is no"):
        bill_of(tmp_path / "b")
