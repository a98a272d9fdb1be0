"""Named losses and their weighted sum."""

from collections.abc import Callable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane
from teachers.stylegan.discriminator import Discriminator

from .kinds import PlaneLoss, UsesDiscriminator, ViewLoss


class WeightedSum(nn.Module):
    """The losses of a run. A loss of weight 0 isn't computed.

    Args:
        losses: by the names under which they are logged.

    Attributes:
        weights: factors by name; a training plan changes them from stage to stage.

    Raises:
        ValueError: no loss, none with a weight, or an object that is no loss.
    """

    def __init__(self, losses: Mapping[str, nn.Module]) -> None:
        super().__init__()
        if not losses:
            raise ValueError(
                "no loss is configured: give at least one, as in `loss=[triplane,image]`"
            )
        for name, loss in losses.items():
            if not isinstance(loss, PlaneLoss | ViewLoss):
                raise ValueError(
                    f"loss {name!r} is a {type(loss).__name__}: expected a PlaneLoss or a ViewLoss"
                )
        self.losses = nn.ModuleDict(losses)
        self.weights = {
            name: float(loss.weight)
            for name, loss in losses.items()
            if isinstance(loss, PlaneLoss | ViewLoss)
        }
        if not any(self.weights.values()):
            raise ValueError(
                f"every loss has weight 0 ({', '.join(losses)}): there would be nothing to learn"
                " from"
            )

    @property
    def needs_views(self) -> bool:
        """Whether views have to be rendered."""
        return bool(self._used(ViewLoss))

    @property
    def needs_discriminator(self) -> bool:
        """Whether a loss needs a discriminator, which only an adversarial stage has."""
        return bool(self._used(UsesDiscriminator))

    def attach(self, discriminator: Discriminator, show: Callable[[Rendering], Tensor]) -> None:
        """Hands the discriminator to the losses that need it; see `UsesDiscriminator`."""
        for loss in self.losses.values():
            if isinstance(loss, UsesDiscriminator):
                loss.attach(discriminator, show)

    def planes(self, prediction: Triplane, target: Triplane) -> dict[str, Float[Tensor, ""]]:
        """Every plane loss by name, unweighted."""
        return {name: loss(prediction, target) for name, loss in self._used(PlaneLoss).items()}

    def view(self, prediction: Rendering, target: Rendering) -> dict[str, Float[Tensor, ""]]:
        """Every view loss by name, unweighted."""
        return {name: loss(prediction, target) for name, loss in self._used(ViewLoss).items()}

    def total(self, parts: Mapping[str, Float[Tensor, ""]]) -> Float[Tensor, ""]:
        """The weighted sum of parts."""
        return torch.stack([self.weights[name] * value for name, value in parts.items()]).sum()

    def _used(self, kind: type) -> dict[str, nn.Module]:
        return {
            name: loss
            for name, loss in self.losses.items()
            if self.weights[name] and isinstance(loss, kind)
        }
