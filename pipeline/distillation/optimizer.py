"""Adam with a lower rate for transformers (LP3D supp. A2), and the schedule of the rates."""

import math
from typing import Any

import torch
from torch import nn

from pipeline.lifter import Lifter
from students.attention import SegformerBlock

from .muon import MuonWithAdam

FUSED_DEVICES = ("cuda", "cpu", "xpu")
"""Where torch has a fused Adam."""


class StudentOptimizer:
    """Adam and its learning rates. The rates are a pure function of the step: only Adam's moments
    have to be saved.

    Args:
        learning_rate: of everything but the transformers; 1e-4 in LP3D.
        transformer_learning_rate: of the transformer blocks; 5e-5 in LP3D.
        renderer_learning_rate: of decoder and super-resolution, in stages that train them (LP3D
            names no rate of their own).
        betas: of Adam (not stated by LP3D).
        warmup_steps: the rates rise linearly over these steps.
        total_steps: the rates fall on a half cosine until this step; None: they stay constant.
        final_factor: the rates at `total_steps`, as a share of the full ones.
        fused: one kernel for the whole update, if the device has it; changes rounding only.
        muon: Muon instead of Adam for the encoder's matrices and kernels; LP3D has Adam.

    Raises:
        ValueError: the rates would fall in less than one step.
    """

    def __init__(
        self,
        *,
        learning_rate: float | int = 1e-4,
        transformer_learning_rate: float | int = 5e-5,
        renderer_learning_rate: float | int = 1e-4,
        betas: tuple[float, float] | list[float] = (0.9, 0.999),
        warmup_steps: int = 0,
        total_steps: int | None = None,
        final_factor: float | int = 0.0,
        fused: bool = False,
        muon: bool = False,
    ) -> None:
        self.rates = {
            "transformers": transformer_learning_rate,
            "others": learning_rate,
            "renderer": renderer_learning_rate,
        }
        require_steps(total_steps)
        self.betas = (betas[0], betas[1])
        self.warmup_steps, self.total_steps, self.final_factor = (
            warmup_steps,
            total_steps,
            final_factor,
        )
        self.fused = fused
        self.muon = muon

    def build(self, lifter: Lifter) -> torch.optim.Adam:
        """Adam over a lifter, in three named groups.

        Every stage has the renderer's group, so that the optimiser's state has one form. While the
        renderer is frozen, it has no gradients and Adam skips it.
        """
        blocks = [
            module for module in lifter.encoder.modules() if isinstance(module, SegformerBlock)
        ]
        transformers = {id(parameter) for block in blocks for parameter in block.parameters()}
        encoder = list(lifter.encoder.parameters())
        members: dict[str, list[nn.Parameter]] = {
            "transformers": [parameter for parameter in encoder if id(parameter) in transformers],
            "others": [parameter for parameter in encoder if id(parameter) not in transformers],
            "renderer": list(lifter.renderer.parameters()),
        }
        groups: list[dict[str, Any]] = [
            {"name": name, "params": parameters, "lr": self.rates[name]}
            for name, parameters in members.items()
            if parameters
        ]
        fused = True if self.fused and encoder[0].device.type in FUSED_DEVICES else None
        if self.muon:
            return MuonWithAdam(_with_matrices(groups), betas=self.betas, fused=fused)
        return torch.optim.Adam(groups, betas=self.betas, fused=fused)

    def set_rates(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Sets the rate of every group for the update after `step` others."""
        for group in optimizer.param_groups:
            group["lr"] = self.rates[group["name"]] * self.factor(step)

    def factor(self, step: int) -> float:
        """Share of the full learning rates at a step."""
        factor = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.total_steps:
            done = min(1.0, step / self.total_steps)
            factor *= (
                self.final_factor + (1 - self.final_factor) * (1 + math.cos(math.pi * done)) / 2
            )
        return factor


def require_steps(total_steps: int | None) -> None:
    """Raises ValueError unless rates can fall over so many steps (None: they stay)."""
    if total_steps is not None and total_steps < 1:
        raise ValueError(
            f"the learning rates are to fall until step {total_steps}: give trainer.max_steps, by"
            " which they go (-1 has no end), or total_steps=null where they may stay"
        )


def _with_matrices(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each of the encoder's groups in two: matrices and kernels for Muon, the rest for Adam."""
    split = []
    for group in groups:
        for muon in (False, True):
            members = [
                parameter
                for parameter in group["params"]
                if muon == (group["name"] != "renderer" and _is_matrix(parameter))
            ]
            if members:
                split.append(group | {"params": members, "muon": muon})
    return split


def _is_matrix(parameter: nn.Parameter) -> bool:
    """Whether several inputs are mixed: depthwise kernels and biases are no matrices."""
    return parameter.ndim >= 2 and parameter.shape[1] > 1
