"""`trilift lift method=…`: any method writes what a student's lift writes, and says how long it
took.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.build.configuration import compose
from pipeline.exporters.stored import read_stored
from pipeline.inversion.method import Method
from pipeline.lifter import Lifter
from pipeline.verbs import lift
from teachers.passport import Passport

SMALL = [
    "teacher=untrained_tiny",
    "teacher.configuration.render_resolution=8",
    "teacher.configuration.image_resolution=8",
]
FEW = [
    "method.search.steps=2",
    "method.search.samples=4",
    "method.camera.preheat=1",
    "method.camera.yaws_deg=[-20,20]",
    "method.progress=false",
]


@pytest.fixture
def photograph(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "anna.png")
    return tmp_path / "anna.png"


def run(photograph: Path, *overrides: str) -> Path:
    output = photograph.parent / "out"
    lift.main(
        compose(
            "lift",
            f"input={photograph}",
            f"output={output}",
            "turntable.frames=1",
            "device=cpu",
            *overrides,
        )
    )
    return output / "anna"


def test_pti_writes_an_identity_that_can_be_read_again(photograph, capsys):
    folder = run(photograph, "method=pti", *SMALL, *FEW, "method.tuning.steps=2")
    assert {"sheet.png", "triplane.safetensors", "identity.safetensors", "inversion.json"} <= {
        path.name for path in folder.iterdir()
    }
    report = json.loads((folder / "inversion.json").read_text())
    assert report["method"] == "pti" and report["seconds"] > 0 and len(report["camera"]) == 25
    assert len(report["losses"]) == 1 + 2 + 2  # the camera, the latent, the generator
    said = capsys.readouterr().out
    assert "inverted in" in said and " s, see" in said and "perceptual term" in said
    identity = Lifter.load(folder / "identity.safetensors")
    assert torch.isfinite(identity.lift(torch.zeros(1, 3, 8, 8)).planes).all()
    read_stored(folder / "triplane.safetensors", no_student, torch.device("cpu"))


def test_the_student_is_the_default_and_the_hybrid_starts_from_it(untrained_student, photograph):
    student = Lifter.load(untrained_student)
    planes = student.lift(torch.zeros(1, 3, 32, 32)).planes
    folder = run(photograph, f"checkpoint={untrained_student}")
    assert not (folder / "inversion.json").exists()
    few = [
        "method.refinement.steps=1",
        "method.camera.mode=given",
        "method.progress=false",
        "teacher=toy",
    ]
    folder = run(photograph, f"checkpoint={untrained_student}", "method=hybrid", *few)
    assert (
        Lifter.load(folder / "identity.safetensors").lift(torch.zeros(1, 3, 8, 8)).planes.shape
        == planes.shape
    )


def test_a_student_s_head_is_not_drawn_by_an_earlier_inversion(untrained_student, photograph):
    few = ["method.refinement.steps=1", "method.camera.mode=given", "method.progress=false"]
    few += ["teacher=toy", f"paths.weights={photograph.parent}"]  # without a perceptual loss
    checkpoint = f"checkpoint={untrained_student}"
    folder = run(photograph, checkpoint, "method=hybrid", *few)
    identity = folder / "identity.safetensors"
    stored = identity.read_bytes()
    read_stored(folder / "triplane.safetensors", no_student, torch.device("cpu"))
    run(photograph, checkpoint)
    assert not identity.exists() and not (folder / "inversion.json").exists()
    identity.write_bytes(stored)  # as earlier versions left it
    with pytest.raises(ValueError, match="has other planes"):
        read_stored(folder / "triplane.safetensors", no_student, torch.device("cpu"))


def no_student(passport: Passport) -> Lifter:
    raise AssertionError(f"the student of {passport.name} isn't needed")


@pytest.mark.parametrize("name", ["student", "w", "w_plus", "pti", "hybrid"])
def test_every_method_can_be_built_from_its_file(untrained_student, photograph, name):
    config = compose(
        "lift", "input=a", "output=b", f"method={name}", f"checkpoint={untrained_student}", *SMALL
    )
    method = lift.instantiate(config.method, models=lift.models_of(config))
    assert (
        isinstance(method, Method)
        and method.name == name
        and method.kind == ("student" if name == "student" else "inversion")
    )
    assert method.takes_camera == (name != "student")


def test_the_toy_has_nothing_that_pti_could_tune(photograph):
    with pytest.raises(ValueError, match="has none"):
        run(photograph, "method=pti", "teacher=toy")
