"""The kinds of distillation losses: of planes, once a sample; of views, once a picture; and, among
these, of pictures alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane
from teachers.stylegan.discriminator import Discriminator


class PlaneLoss(nn.Module, ABC):
    """Compares planes.

    Args:
        weight: its factor in the sum.
    """

    def __init__(self, *, weight: float | int = 1.0) -> None:
        super().__init__()
        self.weight = weight

    @abstractmethod
    def forward(self, prediction: Triplane, target: Triplane) -> Float[Tensor, ""]:
        """The student's planes against the teacher's."""


class ViewLoss(nn.Module, ABC):
    """Compares what two triplanes look like through the same cameras.

    Args:
        weight: its factor in the sum.
    """

    def __init__(self, *, weight: float | int = 1.0) -> None:
        super().__init__()
        self.weight = weight

    @abstractmethod
    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """The student's renderings against the teacher's."""


class PictureLoss(ViewLoss):
    """Compares the final pictures and, with a factor, the raw ones before super-resolution.

    Without super-resolution the two are one picture, which counts once.

    Args:
        weight: its factor in the sum.
        raw_weight: factor of the raw pictures within it; at 0 they aren't looked at.
    """

    def __init__(self, *, weight: float | int = 1.0, raw_weight: float | int = 1.0) -> None:
        super().__init__(weight=weight)
        self.raw_weight = raw_weight

    @abstractmethod
    def compare(
        self,
        prediction: Float[Tensor, "batch 3 height width"],
        target: Float[Tensor, "batch 3 height width"],
    ) -> Float[Tensor, ""]:
        """Pictures in [-1, 1], not clamped; gradients are for the prediction only."""

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """The mean over the pictures of the batch."""
        loss = self.compare(prediction.image, target.image)
        if prediction.image is prediction.image_raw or not self.raw_weight:
            return loss
        return loss + self.raw_weight * self.compare(prediction.image_raw, target.image_raw)


@runtime_checkable
class UsesDiscriminator(Protocol):
    """A loss that looks through the discriminator of an adversarial training, which isn't there
    when losses are built.
    """

    def attach(self, discriminator: Discriminator, show: Callable[[Rendering], Tensor]) -> None:
        """Called once, before the first step, by whoever owns the discriminator and goes on
        training it.

        Args:
            discriminator: is only read: the loss neither trains, moves nor saves it.
            show: what the discriminator is shown of renderings, `[batch channel height width]`,
                differentiably.
        """
        ...
