"""A checkpoint folder restores the exact state, is replaced as a whole, and needs no pickle."""

import math
import multiprocessing
import resource
import signal
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.runs import resume
from pipeline.runs.complete_checkpoint import find_checkpoint
from pipeline.runs.resume import SafetensorsCheckpointIO, read_entry


def same(first: object, second: object) -> bool:
    """Equal in value, type, order of keys and bits."""
    if type(first) is not type(second):
        return False
    if isinstance(first, Tensor):
        return (
            first.dtype == second.dtype
            and first.shape == second.shape
            and torch.equal(first, second)
        )
    if isinstance(first, np.ndarray | np.generic):
        return first.dtype == second.dtype and np.array_equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(same, first, second))
    return first == second or (
        isinstance(first, float) and math.isnan(first) and math.isnan(second)
    )


def training_state() -> dict:
    """What a training loop keeps: weights, optimiser, random states, counters."""
    layer = torch.nn.Linear(7, 5)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.randn(2, 7)).sum().backward()
    optimizer.step()
    return {
        "state_dict": OrderedDict(layer.state_dict()),
        "optimizer_states": [optimizer.state_dict()],
        "numpy": np.random.RandomState(3).get_state(legacy=True),
        "philox": np.random.Generator(np.random.Philox(3)).bit_generator.state,
        "torch": torch.get_rng_state(),
        "scalars": (
            1,
            -0.0,
            float("inf"),
            float("-inf"),
            float("nan"),
            True,
            None,
            "naïve $dict",
            2**100,
            np.float64(0.1),
            np.int32(7),
        ),
        "by_number": {1: "a", "1": "b", 0: []},
        "types": [
            torch.ones(3).bfloat16(),
            torch.tensor(True),
            torch.empty(0, 4),
            torch.arange(6).reshape(2, 3).T,
            torch.tensor(3.0),
        ],
        "path": Path("runs/distill"),
    }


def test_everything_comes_back_with_its_type_and_its_bits(tmp_path):
    state = training_state()
    SafetensorsCheckpointIO().save_checkpoint(state, tmp_path / "last")
    assert same(SafetensorsCheckpointIO().load_checkpoint(tmp_path / "last"), state)
    assert sorted(file.suffix for file in (tmp_path / "last").iterdir()) == [
        ".json",
        ".safetensors",
    ]


def test_no_file_exceeds_the_size_of_a_part_and_a_bigger_tensor_is_split(tmp_path):
    state = {
        "big": torch.randn(3, 5000),
        "many": [torch.randn(100) for _ in range(50)],
        "tiny": [torch.tensor(float(i)) for i in range(300)],
    }
    SafetensorsCheckpointIO(part_bytes=16_000).save_checkpoint(state, tmp_path / "last")
    sizes = [file.stat().st_size for file in (tmp_path / "last").glob("*.safetensors")]
    assert len(sizes) > 10
    assert max(sizes) <= 16_000
    assert same(SafetensorsCheckpointIO().load_checkpoint(tmp_path / "last"), state)


def test_tied_tensors_are_stored_once_and_stay_tied(tmp_path):
    weight = torch.randn(1000)
    SafetensorsCheckpointIO().save_checkpoint(
        {"a": weight, "b": {"c": weight}, "row": weight[:500]}, tmp_path / "last"
    )
    loaded = SafetensorsCheckpointIO().load_checkpoint(tmp_path / "last")
    assert loaded["a"] is loaded["b"]["c"]
    assert torch.equal(loaded["row"], weight[:500])
    assert sum(file.stat().st_size for file in (tmp_path / "last").glob("*.safetensors")) < 8000


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, lambda: 1, torch.nn.Linear(1, 1), b"bytes", np.array([object()])]
)
def test_an_object_that_needs_pickle_is_named_by_its_key_path(tmp_path, value):
    SafetensorsCheckpointIO().save_checkpoint({"step": 1}, tmp_path / "last")
    with pytest.raises(TypeError, match="callbacks/preview/0"):
        SafetensorsCheckpointIO().save_checkpoint(
            {"callbacks": {"preview": [value]}}, tmp_path / "last"
        )
    assert SafetensorsCheckpointIO().load_checkpoint(tmp_path / "last") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


@pytest.mark.parametrize(
    "moment", ["before the swap", "between the renames", "after the renames", "half written"]
)
def test_a_kill_at_any_moment_leaves_a_complete_checkpoint_and_the_next_save_removes_leftovers(
    tmp_path, moment
):
    io = SafetensorsCheckpointIO()
    last, writing, previous = (
        tmp_path / "last",
        tmp_path / "last~writing",
        tmp_path / "last~previous",
    )
    io.save_checkpoint({"step": 1}, last)
    io.save_checkpoint({"step": 2}, writing)
    if moment == "half written":
        (writing / "state.json").unlink()
    elif moment != "before the swap":
        last.rename(previous)
        if moment == "after the renames":
            writing.rename(last)
    expected = 1 if moment in ("before the swap", "half written") else 2
    assert io.load_checkpoint(last) == {"step": expected}
    io.save_checkpoint({"step": 3}, last)
    assert io.load_checkpoint(last) == {"step": 3}
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_checkpoint_with_a_missing_or_truncated_part_is_incomplete(tmp_path):
    SafetensorsCheckpointIO().save_checkpoint({"weight": torch.randn(100)}, tmp_path / "last")
    part = tmp_path / "last" / "part-000.safetensors"
    part.write_bytes(part.read_bytes()[:-1])
    assert find_checkpoint(tmp_path / "last") is None
    with pytest.raises(FileNotFoundError, match="no complete training state"):
        SafetensorsCheckpointIO().load_checkpoint(tmp_path / "last")


def test_a_full_disk_raises_and_leaves_the_last_checkpoint(tmp_path):
    io = SafetensorsCheckpointIO()
    io.save_checkpoint({"step": 1}, tmp_path / "last")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (20_000, limits[1])
    )  # no file may grow beyond this: what a full disk looks like
    try:
        with pytest.raises(OSError, match="previous checkpoint there is untouched"):
            io.save_checkpoint({"weight": torch.randn(20_000)}, tmp_path / "last")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert io.load_checkpoint(tmp_path / "last") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint_and_can_be_read_before(tmp_path):
    def save_for_ever() -> None:
        io, step = SafetensorsCheckpointIO(part_bytes=20_000), 0
        while True:
            step += 1
            state = {"step": step, "weight": torch.full((50_000,), float(step))}
            io.save_checkpoint(state, tmp_path / "last")

    for _ in range(2):
        process = multiprocessing.get_context("fork").Process(target=save_for_ever)
        process.start()
        deadline = time.monotonic() + 120
        while find_checkpoint(tmp_path / "last") is None and time.monotonic() < deadline:
            time.sleep(0.01)
        end = time.monotonic() + 0.3
        try:
            while time.monotonic() < end:  # whoever reads meanwhile gets one state, not half of two
                state = SafetensorsCheckpointIO().load_checkpoint(tmp_path / "last")
                assert torch.equal(state["weight"], torch.full((50_000,), float(state["step"])))
        finally:
            process.kill()
            process.join()
        state = SafetensorsCheckpointIO().load_checkpoint(tmp_path / "last")
        assert torch.equal(state["weight"], torch.full((50_000,), float(state["step"])))


def test_a_checkpoint_that_is_removed_while_it_is_read_is_not_an_error(tmp_path, monkeypatch):
    """The reader has found the predecessor; the writer moves the new one into place, and has
    removed a part of the old one, but not its state.json yet.
    """
    io = SafetensorsCheckpointIO()
    old, new = tmp_path / "last~previous", tmp_path / "last"
    for step, folder in ((1, old), (2, tmp_path / "other")):
        io.save_checkpoint({"step": step, "weight": torch.full((8,), float(step))}, folder)
    read, seen = resume.read_state, []

    def removed_meanwhile(folder: Path, map_location=None):
        if not seen:
            (tmp_path / "other").rename(new)
            (old / "part-000.safetensors").unlink()
        seen.append(folder)
        return read(folder, map_location)

    monkeypatch.setattr(resume, "read_state", removed_meanwhile)
    state = io.load_checkpoint(new)
    assert state["step"] == 2 and seen == [old, new]


def test_an_entry_is_read_from_the_state_that_replaces_the_one_found(tmp_path, monkeypatch):
    io, last = SafetensorsCheckpointIO(), tmp_path / "last"
    for step, folder in ((1, last), (2, tmp_path / "other")):
        io.save_checkpoint({"loop": {"step": step}}, folder)
    find, found = resume.find_checkpoint, []

    def replaced_when_found(path: Path) -> Path | None:
        found.append(find(path))
        if len(found) == 1:
            io.remove_checkpoint(last)
        elif len(found) == 2:
            (tmp_path / "other").rename(last)
        return found[-1]

    monkeypatch.setattr(resume, "find_checkpoint", replaced_when_found)
    assert read_entry(last, "loop") == {"step": 2} and found == [last, None, last]
    assert read_entry(tmp_path / "nothing", "loop") is None
    assert read_entry(last, "nothing") is None


def test_removing_takes_the_leftovers_along(tmp_path):
    io = SafetensorsCheckpointIO()
    for name in ("last", "last~previous"):
        io.save_checkpoint({"step": 1}, tmp_path / name)
    io.remove_checkpoint(tmp_path / "last")
    assert not any(tmp_path.iterdir())
