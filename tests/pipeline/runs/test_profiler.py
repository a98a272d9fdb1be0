"""A profile names the stages of a step, and their shares add up to the whole."""

import json
import re
from types import SimpleNamespace

import pytest
import torch
from lightning import LightningModule, Trainer
from torch.autograd import DeviceType

from pipeline.runs.profiler import (
    STAGES,
    WARM_UP,
    StageTime,
    StepProfiler,
    stage_table,
    stage_times,
)


def step() -> None:
    with torch.profiler.record_function("encode"):
        x = torch.ones(200, 200) @ torch.ones(200, 200)
    with torch.profiler.record_function("losses"):
        x.sum()


def profiled(folder, steps: int, made: int) -> StepProfiler:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    module = LightningModule()
    module.step = 40
    profiler = StepProfiler(folder, steps=steps, step_of=lambda module: module.step)
    for _ in range(made):
        step()
        module.step += 1
        profiler.on_train_batch_end(trainer, module, None, None, 0)
    profiler.on_train_end(trainer, module)
    return profiler


@pytest.mark.parametrize("made", [WARM_UP + 4, WARM_UP + 2])
def test_a_profile_is_written_even_if_the_training_ends_early(tmp_path, made):
    profiled(tmp_path, 4, made)
    folder = tmp_path / f"step-{40 + WARM_UP:07d}"
    table = (folder / "stages.md").read_text()
    steps = made - WARM_UP
    assert f"with the profiler ({steps} steps)" in table
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:] if line[:1] == "|"]
    assert {row[0] for row in rows} == {"encode", "losses", "all else"}
    assert {row[1] for row in rows} == {"1"}
    assert sum(float(row[3].rstrip("%")) for row in rows) == pytest.approx(100, abs=0.3)
    assert "aten::mm" in (folder / "operators.txt").read_text()
    names = {
        event.get("name")
        for event in json.loads((folder / "trace.json").read_text())["traceEvents"]
    }
    assert {"encode", "losses", "profiled steps"} <= names


def test_a_training_that_is_too_short_says_so(tmp_path, caplog):
    profiled(tmp_path, 4, WARM_UP)
    assert re.search(r"nothing was profiled: the training made \d steps", caplog.text)
    assert not list(tmp_path.iterdir())


def test_the_longest_stage_comes_first_and_gpu_time_has_a_column():
    event = SimpleNamespace
    events = [
        event(name="losses", device_type=DeviceType.CPU, cpu_time_total=1e6, device_time_total=5e6),
        event(name="encode", device_type=DeviceType.CPU, cpu_time_total=2e6, device_time_total=3e6),
        event(name="encode", device_type=DeviceType.CUDA, cpu_time_total=0, device_time_total=3e6),
        event(name="aten::mm", device_type=DeviceType.CPU, cpu_time_total=9e6, device_time_total=0),
    ]
    times = stage_times(events)
    assert times == [StageTime("losses", 1, 1.0, 5.0), StageTime("encode", 1, 2.0, 3.0)]
    table = stage_table(times, steps=2, seconds=4.0)
    assert "| losses | 0.5 | 500 | 25.0% | 2.5e+03 |" in table
    assert "| all else | 1 | 500 | 25.0% | 0 |" in table


def test_a_profile_needs_steps(tmp_path):
    with pytest.raises(ValueError, match="profiler is 0: give the number of steps"):
        StepProfiler(tmp_path, steps=0, step_of=lambda module: 0)


def test_every_stage_is_named_in_the_code(repository):
    texts = "".join(
        path.read_text()
        for name in ("sampling", "distillation", "pretraining", "runs")
        for path in (repository / "pipeline" / name).glob("*.py")
        if path.name != "profiler.py"
    )
    named = set(re.findall(r'record_function\("([^"]+)"\)', texts))
    assert named == set(STAGES)
