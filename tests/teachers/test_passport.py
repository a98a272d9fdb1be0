"""A student may draw only with planes of the teacher that it was made for: the passport decides."""

import dataclasses
import json

import pytest

from teachers.passport import Passport
from teachers.toy import ToyTeacher


@pytest.fixture
def passport() -> Passport:
    return dataclasses.replace(
        ToyTeacher().passport, name="first", options={"density": 60.0, "rows": [1, 2]}
    )


def another(value):
    """Another value of the same type."""
    if isinstance(value, tuple):
        return (another(value[0]), *value[1:])
    if isinstance(value, dict):
        return {**value, "more": 1}
    if isinstance(value, str):
        return {"none": "teacher_w", "mean": "product"}.get(value, f"{value}2")
    return not value if isinstance(value, bool) else value + 1


def test_passports_that_agree_are_let_through_whatever_their_names(passport):
    passport.require_same(
        dataclasses.replace(
            passport,
            name="second",
            licence="other",
            training_data=({"name": "photographs", "licence": "unknown"},),
        ),
        mine="student",
        others="teacher",
    )


def test_a_difference_names_both_sides_and_every_differing_field(passport):
    other = dataclasses.replace(
        passport, name="second", box_size=2.0, plane_axes=("xy", "xz", "zx")
    )
    with pytest.raises(ValueError) as caught:
        passport.require_same(other, mine="student.safetensors", others="the folder puppets")
    message = str(caught.value)
    for words in (
        "student.safetensors",
        "the folder puppets",
        "'first'",
        "'second'",
        "box_size",
        "1.0",
        "2.0",
        "plane_axes",
        "'zx'",
        "distil",
    ):
        assert words in message
    assert "near" not in message


@pytest.mark.parametrize(
    "field",
    sorted({f.name for f in dataclasses.fields(Passport)} - {"name", "licence", "training_data"}),
)
def test_every_field_that_changes_a_picture_counts(passport, field):
    with pytest.raises(ValueError, match=field):
        passport.require_same(
            dataclasses.replace(passport, **{field: another(getattr(passport, field))}),
            mine="a",
            others="b",
        )


def test_json_comes_back_equal(passport, tmp_path):
    path = tmp_path / "passport.json"
    path.write_text(passport.to_json())
    assert Passport.read(path) == passport


def test_options_may_be_absent_and_other_fields_not(passport):
    values = json.loads(passport.to_json())
    del values["options"]
    assert Passport.from_dict(values).options == {}
    del values["near"]
    with pytest.raises(ValueError, match=r"missing fields \['near'\]"):
        Passport.from_dict(values)
    with pytest.raises(ValueError, match=r"unknown fields \['colour'\]"):
        Passport.from_dict({**json.loads(passport.to_json()), "colour": 1})


def test_another_schema_version_says_what_to_do(passport):
    with pytest.raises(ValueError, match=r"schema version 99.*convert"):
        Passport.from_dict({**json.loads(passport.to_json()), "schema_version": 99})


def test_a_file_that_is_no_json_is_named(tmp_path):
    path = tmp_path / "passport.json"
    path.write_text("not json")
    with pytest.raises(ValueError, match=r"passport\.json isn't JSON"):
        Passport.read(path)


def test_a_passport_without_a_depth_is_of_single_planes_and_is_written_as_before(passport):
    stored = json.loads(passport.to_json())
    assert "plane_depth" not in stored
    assert Passport.from_dict(stored) == passport and passport.plane_depth == 1
    stack = dataclasses.replace(passport, plane_depth=3)
    assert Passport.from_dict(json.loads(stack.to_json())) == stack
    assert stack.stored_channels == 3 * passport.plane_channels
    with pytest.raises(ValueError, match="plane_depth"):
        stack.require_same(passport, mine="student", others="teacher")
