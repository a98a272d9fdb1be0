"""The two kinds of distillation losses: of planes, once a sample, and of views, once a picture."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn

from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane


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
