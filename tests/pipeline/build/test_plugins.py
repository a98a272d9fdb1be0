"""A user's package trains and evaluates without a fork, if and only if the user trusts it.

`tests/plugins` is such a package: a teacher with another field, a renderer, a loss, a camera prior
and a suite, each one file and one YAML. It is copied to a folder outside the repository.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.build.configuration import compose, instantiate
from pipeline.build.sampler import build_sampler
from pipeline.lifter import Lifter
from pipeline.runs.trust import VARIABLE, trust, trusted_packages
from pipeline.verbs import distill, evaluate
from teachers.rendering.renderer import marcher_of
from teachers.teacher import Teacher
from tests.builders import STUDENT_SETTINGS

RUN = [
    "teacher=blob", "teacher.resolution=32", "cameras=arc", "sampler=one_pass",
    "loss=[triplane,charbonnier]", *STUDENT_SETTINGS, "batch_size=2", "calibration_samples=2",
    "trainer.threads=1", "trainer.max_steps=2", "callbacks.validation.samples=2",
    "callbacks.preview.identities=1",
]  # fmt: skip
EVALUATION = [
    "teacher=blob", "teacher.resolution=32", "cameras=arc", "sampler=one_pass", "suite=profile",
    "methods=[student]", "ceiling_identities=1", "device=cpu",
]  # fmt: skip


def test_a_users_package_is_trained_and_evaluated_with(lab, tmp_path, monkeypatch):
    run, output = tmp_path / "run", tmp_path / "evaluation"
    trusted = [lab, "trust=[my_lab]"]
    distill.main(compose("distill", *trusted, *RUN, f"paths.run={run}"))
    student = run / "student.safetensors"
    assert Lifter.load(student).step == 2
    evaluate.main(
        compose("evaluate", *trusted, *EVALUATION, f"checkpoint={student}", f"output={output}")
    )
    results = json.loads((output / "results.json").read_text())
    assert results["suite"] == "profile"
    assert list(results["scores"]) == ["student", "ceiling"]
    assert not any(
        "my_lab" in str(value.get("trust", "")) or "trust" in value for value in recorded(run)
    )
    monkeypatch.setenv(VARIABLE, "")
    with pytest.raises(ValueError, match=r"trust=\[my_lab\]"):
        Lifter.load(student)
    with pytest.raises(ValueError, match=r"trust=\[my_lab\]"):
        distill.main(compose("distill", lab, *RUN, f"paths.run={run}", "trainer.max_steps=3"))


def recorded(run: Path) -> list[dict]:
    """Every JSON object and configuration that a run keeps."""
    found = [json.loads(path.read_text()) for path in run.rglob("*.json")]
    assert any("teacher" in value for value in found if isinstance(value, dict))
    return [value for value in found if isinstance(value, dict)]


def test_a_plugged_in_teacher_renders_its_own_field(lab):
    trust(["my_lab"])
    config = compose("distill", lab, "teacher=blob", "cameras=arc")
    teacher = instantiate(config.teacher)
    assert isinstance(teacher, Teacher)
    batch = build_sampler(config, teacher)(range(4))
    radius = 0.2 + 0.05 * torch.tanh(build_sampler(config, teacher).draw(range(4)).z[:, 0])
    middle = batch.novel.rendering.depth[:, 0, 7:9, 7:9].mean((1, 2))
    assert torch.allclose(middle, 2.7 - radius, atol=0.02)


def test_a_plugged_in_marcher_renders_the_views_that_name_it(lab):
    trust(["my_lab"])
    config = compose("distill", lab, "teacher=toy", "sampler=one_pass")
    sampler = build_sampler(config, instantiate(config.teacher))
    marcher = marcher_of(sampler.rendering["novel"].apply(sampler.teacher.renderer).sampling)
    assert type(marcher).__name__ == "OnePass"
    one, two = sampler([0]).novel.rendering, sampler.for_scores(0)([0]).novel.rendering
    assert not torch.equal(one.image, two.image)
    assert (one.image - two.image).abs().mean() < 0.1


@pytest.mark.parametrize("target", ["my_lab.charbonnier.CharbonnierLoss", "os.system"])
def test_what_is_not_trusted_is_not_built(lab, target):
    package = target.split(".")[0]
    with pytest.raises(ValueError, match=rf"refusing to build .* trust=\[{package}\]"):
        instantiate({"_target_": target, "weight": 1.0})
    assert "my_lab" not in sys.modules


def test_a_trusted_package_that_cannot_be_imported_is_an_error_with_advice(monkeypatch):
    monkeypatch.setenv(VARIABLE, "not_installed_lab")
    with pytest.raises(ValueError, match=r"pip install -e .* PYTHONPATH"):
        instantiate({"_target_": "not_installed_lab.Loss"})


def test_child_processes_inherit_trust(monkeypatch):
    monkeypatch.setenv(VARIABLE, "first, second")
    trust(["third", "first"])
    assert trusted_packages() == ("first", "second", "third")
    code = "from pipeline.runs.trust import trusted_packages; print(*trusted_packages())"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["first", "second", "third"]
    with pytest.raises(ValueError, match="top-level package"):
        trust(["my_lab.losses"])


@pytest.mark.parametrize(
    "verb",
    ["cameras", "check", "convert", "demo", "distill", "evaluate", "generate", "lift", "prepare",
     "pretrain"],
)  # fmt: skip
def test_every_verb_takes_trust(verb):
    assert list(compose(verb, "trust=[my_lab]").trust) == ["my_lab"]
