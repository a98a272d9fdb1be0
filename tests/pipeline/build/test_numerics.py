"""What a run computes in: checked at its start, for every verb."""

import pytest
import torch

from pipeline.build.configuration import compose, free_keys, to_plain
from pipeline.build.numerics import device_of, numerics, with_kernels
from pipeline.runs import precision
from pipeline.runs.kernel_choice import MEANING_OF_AUTO, Trial
from pipeline.runs.run_folder import RunFolder
from pipeline.verbs import distill, pretrain
from teachers.kernels import kernels


@pytest.fixture
def without_bfloat16(monkeypatch):
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: False)


@pytest.mark.parametrize(
    ("verb", "name", "key", "others"),
    [
        (distill, "distill", "trainer.bfloat16", []),
        (distill, "distill", "plan.adversary.bfloat16", ["plan=two_stage"]),
        (pretrain, "pretrain", "settings.bfloat16", []),
    ],
)
def test_a_verb_refuses_a_precision_that_the_processor_emulates(
    verb, name, key, others, without_bfloat16, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    overrides = [f"{key}=true", f"paths.run={tmp_path / 'run'}", *others]
    message = (
        rf"^{key}=true asks for bfloat16, which this processor emulates, 70 to 250 times slower"
    )
    with pytest.raises(ValueError, match=message) as refused:
        verb.main(compose(name, *overrides))
    assert f"give {key}=false, or set {precision.EMULATE}=1" in str(refused.value)
    assert not (tmp_path / "run").exists()
    monkeypatch.setattr("sys.argv", ["trilift", *overrides])
    with pytest.raises(SystemExit) as stopped:
        verb.main()
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_user_may_insist_on_emulation(without_bfloat16, monkeypatch):
    monkeypatch.setenv(precision.EMULATE, "1")
    precision.require_bfloat16(["trainer.bfloat16"], torch.device("cpu"))
    assert precision.effective_precision(["trainer.bfloat16"], torch.device("cpu")) == {
        "trainer.bfloat16": "emulated bfloat16",
        "all else": "float32",
    }


def test_a_gpu_without_bfloat16_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    with pytest.raises(ValueError, match="which this GPU emulates"):
        precision.require_bfloat16(["trainer.bfloat16"], torch.device("cuda"))


def test_float32_needs_nothing(without_bfloat16):
    precision.require_bfloat16([], torch.device("cpu"))
    assert precision.effective_precision([], torch.device("cpu")) == {"all": "float32"}


def test_a_configured_device_that_is_absent_is_not_judged(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert device_of(compose("distill", "trainer=gpu")) is None
    assert device_of(compose("distill", "trainer.accelerator=auto")) == torch.device("cpu")
    assert device_of(compose("generate")) == torch.device("cpu")


def test_a_run_logs_how_it_computes(caplog):
    with caplog.at_level("INFO"):
        facts = numerics(compose("distill"))
    assert facts["precision"] == {"all": "float32"}
    assert (facts["device"], facts["kernels"]) == ("cpu", "readable")
    assert "on cpu: all in float32; readable kernels" in caplog.text


def chosen(tmp_path, *overrides: str) -> str:
    """The kernels of a start of a run, which is then recorded as a verb does."""
    config = compose("distill", f"paths.run={tmp_path}", *overrides)
    with RunFolder(tmp_path) as run:
        filled = with_kernels(config, lambda: Trial(lambda: None, {}), run)
        run.record(to_plain(filled), free=free_keys(filled))
    assert kernels() == filled.kernels
    return filled.kernels


def test_a_run_keeps_the_kernels_that_it_began_with(tmp_path, monkeypatch):
    monkeypatch.setenv(MEANING_OF_AUTO, "fast")
    assert chosen(tmp_path) == "fast"
    monkeypatch.setenv(MEANING_OF_AUTO, "readable")  # as on another machine
    assert chosen(tmp_path) == "fast"
    assert chosen(tmp_path, "kernels=fast") == "fast"
    with pytest.raises(ValueError, match="began with kernels=fast, which it keeps"):
        chosen(tmp_path, "kernels=readable")


def test_a_run_of_an_earlier_version_is_readable(tmp_path, monkeypatch):
    monkeypatch.setenv(MEANING_OF_AUTO, "fast")
    before = to_plain(compose("distill", f"paths.run={tmp_path}"))
    del before["kernels"]
    with RunFolder(tmp_path) as run:
        run.record(before)
    assert chosen(tmp_path) == "readable"


def test_the_other_processes_of_a_run_wait_for_the_first(tmp_path, monkeypatch):
    monkeypatch.setenv(MEANING_OF_AUTO, "readable")
    config = compose("distill", f"paths.run={tmp_path}")
    monkeypatch.setattr("pipeline.runs.processes.is_first_process", lambda: False)
    monkeypatch.setattr("pipeline.build.numerics.LONGEST_WAIT_S", 0.3)
    trial = lambda: Trial(lambda: None, {})  # noqa: E731
    with pytest.raises(ValueError, match=r"config\.json wasn't written in 0\.3 s"):
        with_kernels(config, trial, RunFolder(tmp_path))
    (tmp_path / "config.json").write_text('{"kernels": "fast"}')
    assert with_kernels(config, trial, RunFolder(tmp_path)).kernels == "fast"


def test_only_verbs_that_compare_are_readable_by_default():
    settings = {
        name: compose(name, *missing).kernels
        for name, missing in {
            "distill": [], "pretrain": [], "generate": [], "demo": [], "evaluate": [],
            "lift": ["input=x", "output=y"], "check": ["checkpoint=x"],
        }.items()
    }  # fmt: skip
    assert {name for name, value in settings.items() if value == "readable"} == {
        "evaluate",
        "check",
    }
    assert set(settings.values()) == {"auto", "readable"}
