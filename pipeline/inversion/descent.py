"""Adam with StyleGAN2's learning-rate schedule, a bar that shows the loss, and a guard against
numbers that aren't finite.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from tqdm import tqdm

log = logging.getLogger(__name__)

MOST_STEPS_BACK = 10
"""So many updates in one descent may be taken back; after that it ends."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long a descent is and how fast (StyleGAN2 app. D: up over the first 5 %, down by a cosine
    over the last 25 %).

    Attributes:
        steps: updates; 0 leaves everything as it is.
        warm_up, cool_down: shares of the steps.
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
        """Of the learning rate, in (0, 1]."""
        done = step / self.steps
        down = min(1.0, (1 - done) / self.cool_down) if self.cool_down else 1.0
        up = min(1.0, (step + 1) / self.steps / self.warm_up) if self.warm_up else 1.0
        return (0.5 - 0.5 * math.cos(math.pi * down)) * up


@dataclass(frozen=True)
class Moved:
    """Tensors that are moved, and how fast.

    Attributes:
        tensors: leaves that require gradients.
        learning_rate: of Adam at the top of the schedule.
    """

    tensors: Sequence[Tensor]
    learning_rate: float | int


@dataclass
class Course:
    """What a descent went through.

    Attributes:
        losses: the distance at the input view before each update.
        taken_back: updates that led to numbers that aren't finite.
        ended_early: why, or "".
    """

    losses: list[float] = field(default_factory=list)
    taken_back: int = 0
    ended_early: str = ""

    def note(self, what: str) -> tuple[str, ...]:
        """A sentence where something went wrong."""
        if not self.taken_back:
            return ()
        end = (
            f" and ended after {len(self.losses)} steps ({self.ended_early})"
            if self.ended_early
            else ""
        )
        return (f"{what} met numbers that aren't finite, took {self.taken_back} updates back{end}",)


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
    """Moves tensors downhill, in place.

    Gradients are on within it, also where the caller has turned them off. An update after which
    loss or gradient isn't finite is taken back and tried again half as wide.

    Args:
        moved: what is moved.
        losses: of a step: what is minimised, and the distance at the input view within it, which is
            shown.
        schedule: of the learning rates.
        title: of the bar.
        progress: whether there is a bar.
        after: called after each update.
        until: asked after `losses`; true ends the descent before its next update.
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
        if after is not None:
            after()
    bar.close()
    for sentence in course.note(title):
        log.warning(sentence)
    return course


def _is_sound(loss: Tensor, tensors: Sequence[Tensor]) -> bool:
    """Whether loss and gradients, which are computed here, are finite."""
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
