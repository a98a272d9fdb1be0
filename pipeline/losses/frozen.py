"""Networks that a loss looks through."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn


class Frozen(nn.Module):
    """A network that follows its owner to other devices, but is neither trained nor saved.

    It is no submodule: `parameters()`, `state_dict()`, `train()` and the broadcasts of
        data-parallel training don't see it.

    Args:
        network: gets gradients with respect to its input only.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._hidden = (
            network.eval().requires_grad_(False),
        )  # in a tuple: an attribute would become a submodule

    def forward(self, *inputs: Tensor) -> Any:
        """What the network answers."""
        return self._hidden[0](*inputs)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Frozen":
        self._hidden[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)
