"""GPUs are only counted here, so a machine without any can pretend."""

import threading

import pytest
import torch

from pipeline.sweeps import gpus, running
from pipeline.sweeps.cell import Cell
from pipeline.sweeps.gpus import own_gpu, visible_gpus

ONE_GPU = {"trainer": {"accelerator": "gpu", "devices": 1, "num_nodes": 1}}


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """With as many GPUs as it is called with."""
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(gpus, "POLL_SECONDS", 0.01)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return lambda count: monkeypatch.setattr(torch.cuda, "device_count", lambda: count)


def test_cells_side_by_side_have_different_gpus(machine):
    machine(2)
    with own_gpu(ONE_GPU) as first, own_gpu(ONE_GPU) as second:
        assert [first, second] == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    with own_gpu(ONE_GPU) as again:
        assert again == first


def test_a_cell_waits_until_a_gpu_is_free(machine):
    machine(2)
    got: list[dict[str, str]] = []

    def third() -> None:
        with own_gpu(ONE_GPU) as environment:
            got.append(environment)

    with own_gpu(ONE_GPU):
        with own_gpu(ONE_GPU):
            waiting = threading.Thread(target=third)
            waiting.start()
            waiting.join(0.1)
            assert waiting.is_alive() and got == []
        waiting.join(10)
        assert got == [{"CUDA_VISIBLE_DEVICES": "1"}]


@pytest.mark.parametrize("count", [0, 1])
def test_with_fewer_than_two_gpus_nothing_is_chosen(machine, count):
    machine(count)
    with own_gpu(ONE_GPU) as environment:
        assert environment == {}


@pytest.mark.parametrize(
    "trainer",
    [
        {"accelerator": "cpu", "devices": 1},
        {"accelerator": "gpu", "devices": "auto"},
        {"accelerator": "gpu", "devices": 2},
        {"accelerator": "gpu", "devices": 1, "num_nodes": 2},
    ],
)
def test_a_run_of_no_gpu_or_of_several_chooses_for_itself(machine, trainer):
    machine(4)
    with own_gpu({"trainer": trainer}) as environment:
        assert environment == {}


def test_only_visible_gpus_are_given_away_by_their_own_names(machine, monkeypatch):
    machine(8)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, GPU-5a")
    assert visible_gpus() == ["3", "GPU-5a"]
    with own_gpu(ONE_GPU), own_gpu(ONE_GPU) as second:
        assert second == {"CUDA_VISIBLE_DEVICES": "GPU-5a"}


def test_the_run_of_a_cell_sees_its_gpu(machine, monkeypatch, tmp_path):
    machine(2)
    monkeypatch.setattr(running, "verb_command", lambda *_: ["printenv", "CUDA_VISIBLE_DEVICES"])
    cell = Cell("distill", (), (), tmp_path / "cell", ONE_GPU)
    with own_gpu(ONE_GPU):
        assert running.run_cell(cell) == "finished"
    assert (tmp_path / "cell" / "output.log").read_text() == "1\n"
