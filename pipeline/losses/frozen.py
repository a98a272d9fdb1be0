"""Pretrained networks inside a loss, and losses that are the distance by one."""

from collections.abc import Callable
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from .kinds import PictureLoss


class Frozen(nn.Module):
    """A network that moves with its owner between devices, but is neither trained nor saved.

    It is no submodule: `parameters()`, `state_dict()`, `train()` and the broadcasts of
    data-parallel training don't include it.

    Args:
        network: is put into evaluation mode; gradients flow to its input only.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        # in a tuple: as an attribute of its own it would become a submodule
        self._hidden = (network.eval().requires_grad_(False),)

    def forward(self, *inputs: Tensor) -> Any:
        """The network's output."""
        return self._hidden[0](*inputs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Frozen":
        self._hidden[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)


class NetworkDistance(PictureLoss):
    """Compares images by a frozen network that gives one distance for each pair."""

    network: Frozen

    def compare(
        self,
        prediction: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, ""]:
        """Mean over the batch: 0 for equal images."""
        distances: Tensor = self.network(prediction, target)
        return distances.mean()
