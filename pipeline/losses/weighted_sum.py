"""Named losses, weighted and added up; the parts stay visible."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .kinds import PlaneLoss, ViewLoss


class WeightedSum(nn.Module):
    """The losses of a run.

    Args:
        losses: by the names under which they are logged.
    """

    def __init__(self, losses: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not losses:
            raise ValueError("no loss is configured: give at least one, as in `loss=[triplane,image]`")
        for name, loss in losses.items():
            if not isinstance(loss, PlaneLoss | ViewLoss):
                raise ValueError(f"loss {name!r} is a {type(loss).__name__}: expected a PlaneLoss or a ViewLoss")
        self.losses = nn.ModuleDict(losses)
        self.weights = {name: float(loss.weight) for name, loss in losses.items() if isinstance(loss, PlaneLoss | ViewLoss)}

    @property
    def needs_views(self) -> bool:
        """Whether pictures have to be rendered at all."""
        return any(isinstance(loss, ViewLoss) for loss in self.losses.values())

    def planes(self, prediction: Triplane, target: Triplane) -> dict[str, Float[Tensor, ""]]:
        """Every plane loss by name, unweighted."""
        return {name: loss(prediction, target) for name, loss in self.losses.items() if isinstance(loss, PlaneLoss)}

    def view(self, prediction: Rendering, target: Rendering) -> dict[str, Float[Tensor, ""]]:
        """Every view loss by name, unweighted."""
        return {name: loss(prediction, target) for name, loss in self.losses.items() if isinstance(loss, ViewLoss)}

    def total(self, parts: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The weighted sum of parts."""
        return torch.stack([self.weights[name] * value for name, value in parts.items()]).sum()
