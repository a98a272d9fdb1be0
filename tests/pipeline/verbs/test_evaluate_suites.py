"""Every suite through the verb, on a student that knows nothing."""

import json
from pathlib import Path

import pytest
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.verbs import evaluate

TOY = [
    "teacher=toy",
    "teacher.resolution=8",
    "teacher.sharpness=400.0",
    "device=cpu",
    "ceiling_identities=0",
]
pytestmark = pytest.mark.usefixtures("few_cameras")

FEW = ["suite.cache=null", "methods=[student,mean_latent]", "suite.invariance.items=2"]


def run(student: Path, output: Path, *overrides: str) -> dict:
    evaluate.main(
        compose("evaluate", f"checkpoint={student}", f"output={output}", *TOY, *overrides)
    )
    return json.loads((output / "results.json").read_text())


def test_hard_puppets_are_scored_by_split(untrained_student, tmp_path):
    few = [
        "suite.identities=1",
        "suite.views=2",
        "suite.supersampling=1",
        "suite.cache=null",
        "suite.trained_identities=100",
        "methods=[student]",
    ]
    evaluated = run(
        untrained_student, tmp_path, "suite=puppets_hard", "suite.splits=[pose,noise]", *few
    )
    assert set(evaluated["scores"]["student"]["by_group"]) == {"pose", "noise"}
    coverage = evaluated["extras"]["coverage"]
    assert any("yaw" in note and "cameras.reference" not in note for note in coverage["notes"])


def test_the_teachers_identities_say_where_the_error_comes_from(untrained_student, tmp_path):
    few = [
        "suite.attribution.items=1",
        "suite.attribution.rounds=0",
        "suite.views=2",
        "suite.invariance.items=2",
        "methods=[student,mean_latent]",
    ]
    evaluated = run(untrained_student, tmp_path, "suite=teacher", "identities=2", *few)
    rows = {row[1]: row for row in evaluated["extras"]["attribution"]["table"]["rows"]}
    assert (
        rows["planes"][2] == 0 and rows["decoder"][3] == 0
    )  # the student draws with its teacher's renderer
    assert {row[0] for row in evaluated["extras"]["invariance"]["table"]["rows"]} == {"student"}


def test_photographs_that_are_none_stay_in_the_denominator(untrained_student, tmp_path):
    (tmp_path / "photographs").mkdir()
    Image.linear_gradient("L").convert("RGB").resize((40, 40)).save(
        tmp_path / "photographs" / "ramp.png"
    )
    (tmp_path / "photographs" / "broken.jpg").write_bytes(b"none")
    path = f"suite.path={tmp_path / 'photographs'}"
    evaluated = run(
        untrained_student,
        tmp_path / "out",
        "suite=wild",
        "portraits@suite.portraits=whole",
        "suite.rounds=1",
        path,
        *FEW,
    )
    assert evaluated["counted"]["items"] == 2 and evaluated["counted"]["missing_predictions"] == {
        "mean_latent": 1,
        "student": 1,
    }
    measured = evaluated["scores"]["student"]["all"]
    assert measured["cycle_photo"]["pictures"] == measured["camera_fit"]["pictures"] == 1
    assert "cycle" not in measured  # an untrained student draws nothing that could go round
    assert (
        evaluated["scores"]["mean_latent"]["all"]["cycle_photo"] is None
    )  # nor is it lifted twice
    assert set(evaluated["extras"]) == {"coverage", "invariance"}


def test_captures_are_exported_lifted_and_their_frames_reported(untrained_student, tmp_path):
    few = [
        "suite.source.identities=1",
        "suite.source.views=2",
        "suite.source.supersampling=1",
        "suite.rounds=1",
    ]
    evaluated = run(
        untrained_student,
        tmp_path / "out",
        "suite=multiview",
        f"suite.path={tmp_path / 'captures'}",
        *few,
        *FEW,
    )
    assert (tmp_path / "captures" / "manifest.json").is_file()
    assert (
        evaluated["scores"]["student"]["all"]["frame_turn"]["identities"] == 1
        and evaluated["metrics"]["frame_turn"]["unit"] == "°"
    )
    assert set(evaluated["extras"]) == {"alignment", "coverage", "invariance"}


@pytest.mark.parametrize("suite", ["multiview_h3ds", "multiview_nersemble"])
def test_a_missing_data_set_is_named(suite):
    config = compose("evaluate", f"suite={suite}", "suite.source.path=somewhere")
    assert config.suite.source.path == "somewhere"
