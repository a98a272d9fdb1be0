"""Ranks of a run's processes, and reductions over all of them."""

import os
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor


def is_first_process() -> bool:
    """Whether this process is the first of the whole run, from the launcher's variables: known
    before a process group exists.

    Understands torchrun, Lightning's own children and `srun`. SLURM's rank comes last, because a
    shell inside an allocation has one, too.
    """
    if "RANK" in os.environ:
        return int(os.environ["RANK"]) == 0
    if "LOCAL_RANK" in os.environ or "NODE_RANK" in os.environ:
        return is_first_on_its_node() and int(os.environ.get("NODE_RANK", 0)) == 0
    return int(os.environ.get("SLURM_PROCID", 0)) == 0


def is_first_on_its_node() -> bool:
    """Whether the node's launcher or scheduler sees this process's exit status."""
    return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", 0))) == 0


def largest_of_all(trainer: Trainer, *values: float) -> list[float]:
    """The maximum of every value over all processes, on each of them."""
    if trainer.world_size == 1:
        return list(values)
    together = trainer.strategy.reduce(
        torch.tensor(values, device=trainer.strategy.root_device), reduce_op="max"
    )
    assert isinstance(together, Tensor)
    return together.tolist()


def gather_from_all(trainer: Trainer, value: Any) -> list[Any]:
    """The value of every process, by rank, on each of them."""
    if trainer.world_size == 1:
        return [value]
    everywhere: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(everywhere, value)
    return everywhere
