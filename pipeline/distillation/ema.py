"""An exponential moving average of a student's weights: these are validated and saved."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from .module import Distillation


class ExponentialAverage(Callback):
    """Averages the trained parameters of a lifter: the encoder's, and in adversarial stages the
    renderer's.

    The half-life grows with the steps done, so that the initial weights don't dominate. Parameters
    that are trained only later join the average with the values that they have then.

    Args:
        half_life: in steps; 0 switches the average off.
        ramp_up: the half-life is at most this share of the steps done.
    """

    def __init__(self, *, half_life: float | int = 500.0, ramp_up: float | int = 0.1) -> None:
        self.half_life = float(half_life)
        self.ramp_up = float(ramp_up)
        self._average: dict[str, Tensor] = {}
        self._steps = 0

    def on_fit_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts from the weights, or moves a loaded average to their device."""
        self._average = {
            name: self._average.get(name, parameter.detach().clone()).to(parameter.device)
            for name, parameter in _trainable(module)
        }

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Updates the average."""
        self._steps += 1
        half_life = min(self.half_life, self._steps * self.ramp_up)
        decay = 0.5 ** (1 / half_life) if half_life > 0 else 0.0
        with torch.no_grad():
            parameters: list[Tensor] = [parameter for _, parameter in _trainable(module)]
            torch._foreach_lerp_(list(self._average.values()), parameters, 1 - decay)

    @contextmanager
    def applied(self, module: LightningModule) -> Iterator[None]:
        """Inside, the module has the averaged weights; afterwards its own again, bit for bit."""
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
        """The average and its number of steps."""
        return {"average": self._average, "steps": self._steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self._average, self._steps = dict(state_dict["average"]), state_dict["steps"]


def _trainable(module: LightningModule) -> Iterator[tuple[str, nn.Parameter]]:
    assert isinstance(module, Distillation)
    return (
        (name, parameter)
        for name, parameter in module.lifter.named_parameters()
        if parameter.requires_grad
    )
