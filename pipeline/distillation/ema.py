"""The average of a student's weights over the last steps: smoother than the last ones, and what is
shipped.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from .module import Distillation


class ExponentialAverage(Callback):
    """Keeps an exponential moving average of what is trained of a lifter: the encoder, and in
    adversarial stages its renderer.

    At the beginning, where an average over many steps would hold mostly the start, it follows
    faster. A part that begins to learn later joins with the weights that it has then.

    Args:
        half_life: in steps: what is older than this has half of the weight; 0 switches the average
            off.
        ramp_up: the half-life is at most this share of the steps done.
    """

    def __init__(self, *, half_life: float | int = 500.0, ramp_up: float | int = 0.1) -> None:
        self.half_life = float(half_life)
        self.ramp_up = float(ramp_up)
        self._average: dict[str, Tensor] = {}
        self._steps = 0

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts from the weights, or moves what was loaded to their device."""
        self._average = {
            name: self._average.get(name, parameter.detach().clone()).to(parameter.device)
            for name, parameter in _trainable(module)
        }

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Follows the weights."""
        self._steps += 1
        half_life = min(self.half_life, self._steps * self.ramp_up)
        decay = 0.5 ** (1 / half_life) if half_life > 0 else 0.0
        with torch.no_grad():
            parameters: list[Tensor] = [parameter for _, parameter in _trainable(module)]
            torch._foreach_lerp_(list(self._average.values()), parameters, 1 - decay)

    @contextmanager
    def applied(self, module: LightningModule) -> Iterator[None]:
        """Inside, the module has the averaged weights; afterwards its own, bit for bit."""
        parameters = dict(_trainable(module))
        own = {name: parameter.data for name, parameter in parameters.items()}
        try:
            for name, parameter in parameters.items():
                parameter.data = self._average[name]
            yield
        finally:
            for name, parameter in parameters.items():
                parameter.data = own[name]

    def state_dict(self) -> dict[str, Any]:
        """The average and how many steps are in it."""
        return {"average": self._average, "steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self._average, self._steps = dict(state_dict["average"]), state_dict["steps"]


def _trainable(module: LightningModule) -> Iterator[tuple[str, nn.Parameter]]:
    assert isinstance(module, Distillation)
    return (
        (name, parameter)
        for name, parameter in module.lifter.named_parameters()
        if parameter.requires_grad
    )
