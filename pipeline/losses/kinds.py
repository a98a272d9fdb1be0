"""The kinds of distillation losses: of planes (once for each sample), of views (once for each
rendering) and, among these, of images alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane
from teachers.stylegan.discriminator import Discriminator


class DistillationLoss(nn.Module, ABC):
    """What all have: a weight.

    Args:
        weight: factor in the sum.
    """

    def __init__(self, *, weight: float | int = 1.0) -> None:
        super().__init__()
        self.weight = weight


class PlaneLoss(DistillationLoss):
    """Compares planes."""

    @abstractmethod
    def forward(self, prediction: Triplane, target: Triplane) -> Float[Tensor, ""]:
        """The student's planes against the teacher's."""


class ViewLoss(DistillationLoss):
    """Compares renderings of two triplanes from the same cameras."""

    @abstractmethod
    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """The student's renderings against the teacher's."""


class PictureLoss(ViewLoss):
    """Compares the final images and, with a factor, the raw ones before super-resolution.

    Without super-resolution the two are one image, which counts once.

    Args:
        weight: factor in the sum.
        raw_weight: factor of the raw images within the loss; at 0 they aren't compared.
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
        """Of images in [-1, 1], not clamped; only the prediction gets gradients."""

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """The mean over the batch."""
        loss = self.compare(prediction.image, target.image)
        if prediction.image is prediction.image_raw or not self.raw_weight:
            return loss
        return loss + self.raw_weight * self.compare(prediction.image_raw, target.image_raw)


@runtime_checkable
class UsesDiscriminator(Protocol):
    """A loss in the activations of an adversarial training's discriminator, which doesn't exist yet
    when losses are built.
    """

    def attach(self, discriminator: Discriminator, show: Callable[[Rendering], Tensor]) -> None:
        """Called once, before the first step, by the module that trains the discriminator.

        Args:
            discriminator: is only read: the loss neither trains, moves nor saves it.
            show: renderings → the discriminator's input `[batch channel height width]`,
                differentiable.
        """
        ...
