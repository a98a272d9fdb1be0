"""kernels=auto is measured once per machine and sizes, and never much slower than the readable."""

import json

import pytest
import torch

from pipeline.runs import kernel_choice
from pipeline.runs.kernel_choice import (
    MEANING_OF_AUTO,
    Timing,
    Trial,
    choose,
    measure,
    renderer_trial,
    teacher_trial,
)
from teachers.checkpoint import load_teacher
from teachers.kernels import fast_kernels, kernels

CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TRILIFT_CACHE", str(tmp_path))
    monkeypatch.delenv(MEANING_OF_AUTO, raising=False)
    monkeypatch.setattr(kernel_choice, "BUDGET_S", 0.05)
    monkeypatch.setattr(kernel_choice, "is_busy", lambda: False)
    monkeypatch.setattr(kernel_choice, "time", CLOCK)
    return tmp_path


class Clock:
    """Goes on by what trials say that they take, so that a busy machine measures the same."""

    seconds = 0.0

    def perf_counter(self) -> float:
        self.seconds += 1e-6
        return self.seconds


CLOCK = Clock()


def trial_of(*, readable: float, fast: float, size: int = 1) -> Trial:
    def run() -> None:
        CLOCK.seconds += fast if fast_kernels() else readable

    return Trial(run, {"size": size})


@pytest.mark.parametrize(("fast", "choice"), [(0.001, "fast"), (0.02, "readable")])
def test_auto_takes_the_fast_kernels_unless_they_are_slower(cache, fast, choice):
    assert choose("auto", lambda: trial_of(readable=0.005, fast=fast), CPU) == choice
    assert kernels() == choice


def test_three_percent_are_within_the_noise():
    assert Timing(1.0, 1.03).choice == "fast"
    assert Timing(1.0, 1.031).choice == "readable"


def test_a_measurement_is_made_once_and_kept(cache, caplog):
    with caplog.at_level("INFO"):
        first = choose("auto", lambda: trial_of(readable=0.005, fast=0.0), CPU)
        # it would decide otherwise if it were measured
        again = choose("auto", lambda: trial_of(readable=0.0, fast=0.005), CPU)
    assert (first, again) == ("fast", "fast")
    (path,) = (cache / "kernels").glob("*.json")
    assert [("measured now" in line, str(path) in line) for line in caplog.messages] == [
        (True, False),
        (False, True),
    ]
    assert json.loads(path.read_text())["torch"] == torch.__version__


@pytest.mark.parametrize("changed", ["processor", "processor_flags"])
def test_another_machine_measures_again(cache, changed, monkeypatch):
    choose("auto", lambda: trial_of(readable=0.005, fast=0.0), CPU)
    monkeypatch.setattr(kernel_choice, changed, lambda: "another")
    assert choose("auto", lambda: trial_of(readable=0.0, fast=0.005), CPU) == "readable"


def test_a_busy_machine_keeps_no_measurement(cache, monkeypatch):
    monkeypatch.setattr(kernel_choice, "is_busy", lambda: True)
    choose("auto", lambda: trial_of(readable=0.005, fast=0.0), CPU)
    assert not list(cache.iterdir())


def test_other_sizes_are_measured_again(cache):
    choose("auto", lambda: trial_of(readable=0.005, fast=0.0), CPU)
    other = choose("auto", lambda: trial_of(readable=0.0, fast=0.005, size=2), CPU)
    assert other == "readable"


def test_a_damaged_or_read_only_cache_is_done_without(cache, monkeypatch):
    choose("auto", lambda: trial_of(readable=0.005, fast=0.0), CPU)
    (path,) = (cache / "kernels").glob("*.json")
    path.write_text("{")
    assert choose("auto", lambda: trial_of(readable=0.0, fast=0.005), CPU) == "readable"
    monkeypatch.setenv("TRILIFT_CACHE", str(path / "below_a_file"))
    assert choose("auto", lambda: trial_of(readable=0.005, fast=0.0), CPU) == "fast"


def test_a_given_choice_measures_nothing(cache, monkeypatch):
    def never() -> Trial:
        raise AssertionError("measured")

    assert choose("fast", never, CPU) == "fast"
    assert choose("auto", never, torch.device("cuda")) == "readable"
    monkeypatch.setenv(MEANING_OF_AUTO, "fast")
    assert choose("auto", never, CPU) == "fast"
    with pytest.raises(ValueError, match="kernels is 'quick': use auto, readable or fast"):
        choose("quick", never, CPU)


def test_the_trials_are_alternated_and_leave_the_choice_and_the_random_numbers(cache):
    order: list[str] = []
    before = kernels()
    measure(Trial(lambda: order.append(kernels()), {}))
    assert order[:6] == ["readable", "fast"] * 3 and kernels() == before
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    choose("auto", lambda: Trial(lambda: None, {"drawn": float(torch.rand(1))}), CPU)
    assert torch.equal(torch.rand(1), expected)


def test_a_teacher_and_a_student_have_trials():
    teacher = load_teacher("bundled/puppets")
    trials = [
        teacher_trial(teacher, gradients=True),
        teacher_trial(teacher, gradients=False),
        renderer_trial(teacher.renderer, teacher.passport),
    ]
    for trial in trials:
        trial.run()
    assert len({json.dumps(trial.sizes, sort_keys=True) for trial in trials}) == 3
