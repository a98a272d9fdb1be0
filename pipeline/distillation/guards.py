"""Skips steps whose loss or gradient isn't finite, records their samples, and ends the run after
too many.
"""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer

from pipeline.runs.json_lines import append_line
from pipeline.runs.processes import gather_from_all, is_first_on_its_node, largest_of_all
from pipeline.sampling.sample_numbers import process_numbers

from .module import Distillation
from .replay import replay

log = logging.getLogger(__name__)


class NonFiniteGuard(Callback):
    """Skips an optimiser's step if a loss or gradient isn't finite: in all processes if in one.

    Each skipped step is a line of `path`:
    `{"step": 7, "samples": […], "offending": {"29": {"image/novel": "nan"}}}`. Offending are the
    samples that aren't finite by themselves, with the losses that aren't and `gradient`. Without
    any, the samples aren't finite only together. `trilift distill replay=29` shows one of them.

    Args:
        path: of the record.
        most: the run ends when this number of steps …
        within: … among the last `within` ones was skipped.
    """

    def __init__(self, path: Path, *, most: int = 10, within: int = 1000) -> None:
        if most < 1 or within < most:
            raise ValueError(
                f"the guard has most={most}, within={within}: expected 1 ≤ most ≤ within"
            )
        self.path = path
        self.most, self.within = most, within
        self.failure: str | None = None
        self._skipped: list[int] = []
        self._losses: list[Tensor] = []
        self._step, self._is_broken = 0, False
        self._hooks: list[Any] = []

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Hooks into every optimiser."""
        self._hooks = [
            optimizer.register_step_pre_hook(partial(self._check, trainer))
            for optimizer in trainer.optimizers
        ]

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """A step begins."""
        assert isinstance(module, Distillation)
        self._step, self._is_broken = module.step, False
        self._losses.clear()

    def on_before_backward(self, trainer: Trainer, module: LightningModule, loss: Tensor) -> None:
        """Keeps the losses of the step: an infinite loss may have finite gradients."""
        self._losses.append(loss.detach())

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Records a skipped step, and stops after too many."""
        assert isinstance(module, Distillation)
        if not self._is_broken:
            return
        self._record(trainer, module)
        self._skipped = [
            step for step in (*self._skipped, self._step) if step > self._step - self.within
        ]
        if len(self._skipped) >= self.most:
            trainer.should_stop = True
            self.failure = (
                f"{len(self._skipped)} of the last {self.within} steps (now {self._step}) were"
                " skipped because their loss or gradient wasn't finite: the run stops."
                f" {self.path} has their samples, `replay=NUMBER` shows one. Lower the learning"
                " rate, or the weight of the loss that is named there; to continue all the same,"
                " raise callbacks.guard.most"
            )

    def require_finite(self) -> None:
        """Call this after the state is saved.

        Raises:
            ValueError: too many steps were skipped; raised in one process of each node.
        """
        if self.failure is not None and is_first_on_its_node():
            raise ValueError(self.failure)

    def state_dict(self) -> dict[str, Any]:
        """The steps that were skipped lately."""
        return {"left_out": list(self._skipped)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self._skipped = list(state_dict["left_out"])

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Removes the hooks."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _check(
        self, trainer: Trainer, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Removes the gradients, so that nothing is updated, unless they are finite in all
        processes.
        """
        gradients = [
            p.grad
            for group in optimizer.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        numbers = torch.stack(
            [torch.nn.utils.get_total_norm(gradients), *(loss.float() for loss in self._losses)]
        )
        self._losses.clear()
        [is_broken] = largest_of_all(trainer, float(not numbers.isfinite().all()))
        if is_broken:
            optimizer.zero_grad(set_to_none=True)
            self._is_broken = True

    def _record(self, trainer: Trainer, module: Distillation) -> None:
        numbers = process_numbers(trainer, self._step, module.batch_size)
        faults = {number: faults for number in numbers if (faults := self._faults(module, number))}
        everywhere = gather_from_all(trainer, {"samples": numbers, "offending": faults})
        if not trainer.is_global_zero:
            return
        samples = sorted(number for one in everywhere for number in one["samples"])
        offending = {
            number: one["offending"][number]
            for one in everywhere
            for number in sorted(one["offending"])
        }
        append_line(self.path, {"step": self._step, "samples": samples, "offending": offending})
        log.warning(
            "step %d is skipped because its loss or gradient isn't finite: samples %s; not finite"
            " by themselves: %s",
            self._step,
            samples,
            "; ".join(f"{number} ({', '.join(found)})" for number, found in offending.items())
            or "none",
        )

    def _faults(self, module: Distillation, number: int) -> dict[str, str]:
        """What isn't finite about a sample alone, in this step."""
        replayed = replay(
            module, number, step=self._step, views=module.plan.at(self._step).views(self._step)
        )
        values = {**replayed.losses, "gradient": replayed.gradient_norm}
        return {
            name: str(value) for name, value in values.items() if not torch.tensor(value).isfinite()
        }
