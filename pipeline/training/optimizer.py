"""How a student learns: Adam with a lower rate for transformers (LP3D supp. A2), and a rate that follows the step."""

import math
from typing import Any

import torch
from torch import nn

from students.attention import SegformerBlock


class StudentOptimizer:
    """Adam and its learning rates; a pure function of the step, so nothing but Adam's moments has to be saved.

    Args:
        learning_rate: of everything but the transformers; 1e-4 in LP3D.
        transformer_learning_rate: of the transformer blocks; 5e-5 in LP3D.
        betas: of Adam (not stated by LP3D).
        warmup_steps: the rates rise linearly over these steps.
        total_steps: the rates fall on a half cosine until here; None: they stay.
        final_factor: what they fall to, as a share.
    """

    def __init__(
        self,
        *,
        learning_rate: float | int = 1e-4,
        transformer_learning_rate: float | int = 5e-5,
        betas: tuple[float, float] | list[float] = (0.9, 0.999),
        warmup_steps: int = 0,
        total_steps: int | None = None,
        final_factor: float | int = 0.0,
    ) -> None:
        self.rates = {"transformers": transformer_learning_rate, "others": learning_rate}
        self.betas = (betas[0], betas[1])
        self.warmup_steps, self.total_steps, self.final_factor = warmup_steps, total_steps, final_factor

    def build(self, encoder: nn.Module) -> torch.optim.Adam:
        """Adam over the encoder's trainable parameters, in two named groups."""
        transformers = {
            id(parameter) for module in encoder.modules() if isinstance(module, SegformerBlock) for parameter in module.parameters()
        }
        trainable = [parameter for parameter in encoder.parameters() if parameter.requires_grad]
        groups: list[dict[str, Any]] = [
            {"name": "transformers", "params": [p for p in trainable if id(p) in transformers], "lr": self.rates["transformers"]},
            {"name": "others", "params": [p for p in trainable if id(p) not in transformers], "lr": self.rates["others"]},
        ]
        return torch.optim.Adam([group for group in groups if group["params"]], betas=self.betas)

    def set_rates(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Gives every group its rate for the update after `step` others."""
        for group in optimizer.param_groups:
            group["lr"] = self.rates[group["name"]] * self.factor(step)

    def factor(self, step: int) -> float:
        """Share of the full learning rates at a step."""
        factor = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.total_steps:
            done = min(1.0, step / self.total_steps)
            factor *= self.final_factor + (1 - self.final_factor) * (1 + math.cos(math.pi * done)) / 2
        return factor
