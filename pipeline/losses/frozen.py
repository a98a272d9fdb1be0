"""Pretrained networks inside a loss."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


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
