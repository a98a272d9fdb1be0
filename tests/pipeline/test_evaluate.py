import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline import evaluate
from pipeline.build import compose, instantiate
from pipeline.lifter import Lifter

TOY = ["teacher=toy", "teacher.resolution=8", "teacher.sharpness=400.0", "people=2", "views=3", "suite.supersampling=1", "shown=1"]
FEW = ["ceiling_people=2", "mean_of=3", "calibration_samples=2", "suite.cache=null", "device=cpu"]


def run(student: Path, output: Path, *overrides: str) -> dict:
    settings = [f"checkpoint={student}", f"output={output}", *TOY, *FEW]
    evaluate.main(compose("evaluate", *settings, *overrides))
    return json.loads((output / "puppets.json").read_text())


@pytest.fixture(scope="module")
def report(untrained_student, tmp_path_factory):
    output = tmp_path_factory.mktemp("evaluation")
    return run(untrained_student, output), output


def test_all_answers_are_asked_about_every_view(report):
    told, output = report
    assert list(told["scores"]) == ["student", "untrained", "mean_planes", "mean_latent", "ceiling"]
    assert {answer: sum(row["answer"] == answer for row in told["rows"]) for answer in told["scores"]} == {
        "student": 6,
        "untrained": 6,
        "mean_planes": 6,
        "mean_latent": 6,
        "ceiling": 4,
    }
    assert {row["person"] for row in told["rows"] if row["world"] == "teacher"} == {1_000_000_000, 1_000_000_001}
    assert {path.name for path in output.iterdir()} == {"puppets.json", "puppets.png"}
    assert Image.open(output / "puppets.png").width > 900


def test_the_report_says_what_was_evaluated_with_what(report, untrained_student):
    told, _ = report
    assert told["checkpoint"]["sha256"] == evaluate.sha256_of(untrained_student)
    assert told["settings"]["split"] == "test" and told["settings"]["people"] == 2
    assert told["run"]["command"].startswith("trilift evaluate") and told["run"]["lift_ms"] > 0 and told["run"]["seconds"] > 0
    assert told["run"]["hardware"]["cores"] >= 1 and told["run"]["versions"]["torch"] == torch.__version__


def test_another_time_the_numbers_are_the_same(report, untrained_student, tmp_path):
    told, _ = report
    again = run(untrained_student, tmp_path)
    assert {**told, "run": 0} == {**again, "run": 0}


def test_a_teacher_of_another_student_is_refused(untrained_student, tmp_path):
    with pytest.raises(ValueError, match=r"plane_resolution: the student .* has 32, the teacher has 16"):
        run(untrained_student, tmp_path, "teacher.plane_resolution=16")


def test_the_untrained_answer_is_the_same_network_with_other_weights(untrained_student):
    student = Lifter.load(untrained_student)
    before = torch.random.get_rng_state()
    one, other, same = (evaluate.fresh_student(student, seed=seed) for seed in (1, 2, 1))
    assert torch.equal(before, torch.random.get_rng_state())
    image = torch.zeros(1, 3, 32, 32)
    assert torch.equal(one.lift(image).planes, same.lift(image).planes)
    assert not torch.equal(one.lift(image).planes, other.lift(image).planes)
    assert one.renderer is student.renderer


def test_the_suite_of_the_configuration_is_the_test_split_at_full_quality():
    suite = instantiate(compose("evaluate").suite)
    assert suite.people >= 24 and suite.supersampling == 2 and suite.views == 5
