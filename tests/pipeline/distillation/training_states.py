"""Comparing what two runs have saved, bit for bit."""

from pathlib import Path
from typing import Any

import torch

from pipeline.lifter import Lifter


def leaves(state: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of nested dictionaries and lists by its path."""
    if isinstance(state, dict):
        items = state.items()
    elif isinstance(state, list | tuple):
        items = enumerate(state)
    else:
        return {path: state}
    return {
        key: leaf for name, item in items for key, leaf in leaves(item, f"{path}/{name}").items()
    }


def tensors(state: Any) -> dict[str, torch.Tensor]:
    """The tensors among the leaves."""
    return {path: leaf for path, leaf in leaves(state).items() if isinstance(leaf, torch.Tensor)}


def assert_same_state(first: dict, second: dict) -> None:
    """Two training states are at the same place and have the same tensors."""
    assert first["distillation"] == second["distillation"]
    for part in ("state_dict", "optimizer_states", "callbacks"):
        one, other = tensors(first[part]), tensors(second[part])
        assert one.keys() == other.keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in one.items()), part


def assert_same_student(first: Path, second: Path) -> None:
    """The students of two runs' folders have the same step and weights."""
    one, other = (Lifter.load(folder / "student.safetensors") for folder in (first, second))
    assert one.step == other.step
    assert all(
        torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items()
    )
