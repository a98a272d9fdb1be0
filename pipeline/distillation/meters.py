"""Logs stage, learning rates, gradient norms and memory."""

from collections import defaultdict
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from pipeline.runs.provenance import peak_memory_gib

from .module import Distillation


class Meters(Callback):
    """Logs the stage, rates, gradients and memory of every `every_steps`-th step.

    `plan/stage` is the stage's place in the plan, from 0. `rate/<group>` and `gradient/<group>` are
    the learning rates and the norms of the gradients before clipping, by the optimisers' groups.
    `memory/process_gib` and `memory/gpu_gib` are the largest memory so far, of the first process
    and of torch on its GPU.

    Args:
        every_steps: how often.
    """

    def __init__(self, *, every_steps: int = 10) -> None:
        self.every_steps = every_steps
        self._is_due = False
        self._norms: dict[str, float] = {}

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Decides whether this step is logged."""
        assert isinstance(module, Distillation)
        self._is_due = (module.step + 1) % self.every_steps == 0

    def on_after_backward(self, trainer: Trainer, module: LightningModule) -> None:
        """Measures the gradients. They accumulate part by part, so the last measurement of a group
        is that of its update.
        """
        if not self._is_due:
            return
        for name, groups in _groups(trainer).items():
            gradients = [
                parameter.grad
                for group in groups
                for parameter in group["params"]
                if parameter.grad is not None
            ]
            if gradients:
                self._norms[name] = float(torch.nn.utils.get_total_norm(gradients))

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Logs the values."""
        assert isinstance(module, Distillation)
        if not self._is_due:
            return
        values = {
            "plan/stage": float(module.plan.stages.index(module.stage)),
            "memory/process_gib": peak_memory_gib(),
        }
        if module.device.type == "cuda":
            values["memory/gpu_gib"] = torch.cuda.max_memory_allocated(module.device) / 2**30
        values |= {
            f"rate/{name}": float(groups[0]["lr"]) for name, groups in _groups(trainer).items()
        }
        values |= {f"gradient/{name}": norm for name, norm in self._norms.items()}
        module.log_dict(values)
        self._norms.clear()


def _groups(trainer: Trainer) -> dict[str, list[dict[str, Any]]]:
    """The optimisers' parameter groups by name; Muon's and Adam's part of one share it, the
    discriminator's only group has none.
    """
    found = defaultdict[str, list[dict[str, Any]]](list)
    for optimizer in trainer.optimizers:
        for group in optimizer.param_groups:
            found[group.get("name", "discriminator")].append(group)
    return found
