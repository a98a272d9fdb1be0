"""Adam with StyleGAN2's learning-rate schedule (app. D), a progress bar, and a guard against values
that aren't finite.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

from .progress import tell

log = logging.getLogger(__name__)

MOST_STEPS_BACK = 10
"""Updates that may be reverted in one descent before it ends."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The learning rate over the steps: a linear warm-up and a cosine cool-down (StyleGAN2 app. D:
    the first 5 % and the last 25 % of the steps).

    Attributes:
        steps: updates; 0: none.
        warm_up, cool_down: shares of the steps, in [0, 1].
    """

    steps: int
    warm_up: float | int = 0.05
    cool_down: float | int = 0.25

    def __post_init__(self) -> None:
        if self.steps < 0 or not 0 <= self.warm_up <= 1 or not 0 <= self.cool_down <= 1:
            raise ValueError(
                f"steps={self.steps}, warm_up={self.warm_up}, cool_down={self.cool_down}: give 0"
                " steps or more, and shares between 0 and 1"
            )

    def factor(self, step: int) -> float:
        """Factor of the learning rate at a step, in (0, 1]."""
        done = step / self.steps
        down = min(1.0, (1 - done) / self.cool_down) if self.cool_down else 1.0
        up = min(1.0, (step + 1) / self.steps / self.warm_up) if self.warm_up else 1.0
        return (0.5 - 0.5 * math.cos(math.pi * down)) * up


@dataclass(frozen=True)
class Moved:
    """Tensors that are optimised with one learning rate.

    Attributes:
        tensors: leaves that require gradients.
        learning_rate: of Adam, before the schedule's factor.
    """

    tensors: Sequence[Tensor]
    learning_rate: float | int


@dataclass
class Course:
    """The record of one descent.

    Attributes:
        losses: the loss at the input view before each update.
        taken_back: updates that were reverted since the next loss or gradient wasn't finite.
        ended_early: the reason, or "".
    """

    losses: list[float] = field(default_factory=list)
    taken_back: int = 0
    ended_early: str = ""

    def note(self, what: str) -> tuple[str, ...]:
        """A sentence on reverted updates, if there were any."""
        if not self.taken_back:
            return ()
        end = (
            f" and ended after {len(self.losses)} steps ({self.ended_early})"
            if self.ended_early
            else ""
        )
        return (f"{what}: loss or gradient wasn't finite, {self.taken_back} updates reverted{end}",)


@torch.enable_grad()
def descend(
    moved: Sequence[Moved],
    losses: Callable[[int], tuple[Tensor, Tensor]],
    schedule: Schedule,
    *,
    title: str,
    progress: bool = True,
    after: Callable[[], None] | None = None,
    until: Callable[[], bool] | None = None,
) -> Course:
    """Minimises a loss over tensors, in place.

    Gradients are enabled within it, whatever the caller's mode. An update after which loss or
    gradient isn't finite is reverted; the learning rate is halved from then on.

    Args:
        moved: the tensors.
        losses: step → what is minimised, and the part of it at the input view, which is recorded.
        schedule: of the learning rates.
        title: of the progress bar.
        progress: whether there is one.
        after: called after each update.
        until: called after `losses`; true ends the descent before its next update.
    """
    tensors = [tensor for group in moved for tensor in group.tensors]
    adam = torch.optim.Adam(
        [{"params": list(group.tensors), "lr": float(group.learning_rate)} for group in moved],
        betas=(0.9, 0.999),
    )
    course, width = Course(), 1.0
    sound = [tensor.detach().clone() for tensor in tensors]
    bar = tqdm(
        range(schedule.steps),
        desc=title,
        unit="step",
        leave=False,
        mininterval=0.5,
        disable=not progress,
    )
    for step in bar:
        adam.zero_grad(set_to_none=True)
        loss, distance = losses(step)
        if _is_sound(loss, tensors):
            course.losses.append(distance.item())
            bar.set_postfix_str(f"loss {course.losses[-1]:.4f}")
            if until is not None and until():
                break
            # Only now is it known that the update before led to a finite loss and gradient.
            _copy(tensors, sound)
        else:
            course.taken_back, width = course.taken_back + 1, width / 2
            if not course.losses or course.taken_back > MOST_STEPS_BACK:
                course.ended_early = (
                    "at its start" if not course.losses else f"more than {MOST_STEPS_BACK} times"
                )
                _copy(sound, tensors)
                break
            _copy(sound, tensors)
            continue
        for group, settings in zip(adam.param_groups, moved, strict=True):
            group["lr"] = settings.learning_rate * schedule.factor(step) * width
        adam.step()
        tell(title, step + 1, schedule.steps)
        if after is not None:
            after()
    bar.close()
    for sentence in course.note(title):
        log.warning(sentence)
    return course


def _is_sound(loss: Tensor, tensors: Sequence[Tensor]) -> bool:
    """Computes the gradients; returns whether they and the loss are finite."""
    if not torch.isfinite(loss):
        return False
    loss.backward()  # type: ignore[no-untyped-call]
    return all(
        bool(torch.isfinite(tensor.grad).all()) for tensor in tensors if tensor.grad is not None
    )


@torch.no_grad()
def _copy(sources: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
