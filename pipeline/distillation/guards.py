"""A step that isn't finite is left out, the identities whom it was about are noted, and too many
such steps end the run.
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
from pipeline.sampling.sample_numbers import batch_numbers

from .module import Distillation
from .replay import replay

log = logging.getLogger(__name__)


class NonFiniteGuard(Callback):
    """Lets no optimiser take a step from a loss or a gradient that isn't finite, in any process if
    in one of them.

    A line of `path` for each step that was left out: `{"step": 7, "samples": […], "offending":
        {"29": {"image/novel": "nan"}}}`.
    Offending are the samples that aren't finite by themselves, with their losses that aren't, and
    `gradient`; when nothing is offending, the identities are only not finite together. `trilift
    distill replay=29` shows one of them.

    Args:
        path: where the steps are noted.
        most: so many of them …
        within: … among so many steps end the run.
    """

    def __init__(self, path: Path, *, most: int = 10, within: int = 1000) -> None:
        if most < 1 or within < most:
            raise ValueError(
                f"the guard has most={most}, within={within}: expected 1 ≤ most ≤ within"
            )
        self.path = path
        self.most, self.within = most, within
        self.verdict: str | None = None
        self._left_out: list[int] = []
        self._losses: list[Tensor] = []
        self._step, self._is_broken = 0, False
        self._hooks: list[Any] = []

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Stands in front of every optimiser."""
        self._hooks = [
            optimizer.register_step_pre_hook(partial(self._check, trainer))
            for optimizer in trainer.optimizers
        ]

    def on_train_batch_start(
        self, trainer: Trainer, module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Another step."""
        assert isinstance(module, Distillation)
        self._step, self._is_broken = module.step, False
        self._losses.clear()

    def on_before_backward(self, trainer: Trainer, module: LightningModule, loss: Tensor) -> None:
        """Keeps the losses of the step: an infinite one may have finite gradients."""
        self._losses.append(loss.detach())

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Notes a step that was left out, and stops after too many."""
        assert isinstance(module, Distillation)
        if not self._is_broken:
            return
        self._note(trainer, module)
        self._left_out = [
            step for step in (*self._left_out, self._step) if step > self._step - self.within
        ]
        if len(self._left_out) >= self.most:
            trainer.should_stop = True
            self.verdict = (
                f"{len(self._left_out)} of the last {self.within} steps (now {self._step}) were"
                f" left out, their loss or gradient wasn't finite: the run stops. {self.path} has"
                " their samples, `replay=NUMBER` shows one. Lower the learning rate, or the weight"
                " of the loss that is named there; to go on all the same, raise"
                " callbacks.guard.most"
            )

    def require_finite(self) -> None:
        """To be asked when the state is saved.

        Raises:
            ValueError: too many steps were left out; said by one process of each node.
        """
        if self.verdict is not None and is_first_on_its_node():
            raise ValueError(self.verdict)

    def state_dict(self) -> dict[str, Any]:
        """The steps that were left out lately."""
        return {"left_out": list(self._left_out)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave."""
        self._left_out = list(state_dict["left_out"])

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Leaves the optimisers alone."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _check(
        self, trainer: Trainer, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        """Takes the gradients away, so that nothing is updated, unless all processes have only
        finite numbers.
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

    def _note(self, trainer: Trainer, module: Distillation) -> None:
        numbers = batch_numbers(
            self._step,
            batch_size=module.batch_size,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
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
            "step %d is left out, its loss or gradient isn't finite: samples %s; not finite by"
            " themselves: %s",
            self._step,
            samples,
            "; ".join(f"{number} ({', '.join(found)})" for number, found in offending.items())
            or "none",
        )

    def _faults(self, module: Distillation, number: int) -> dict[str, str]:
        """What isn't finite about a sample alone, in this step."""
        again = replay(
            module, number, step=self._step, views=module.plan.at(self._step).views(self._step)
        )
        values = {**again.losses, "gradient": again.gradient_norm}
        return {
            name: str(value) for name, value in values.items() if not torch.tensor(value).isfinite()
        }
