"""What a measure looks at: the predicted views of one item, and all that is known about them."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.evaluation.suites.suite import Truth
from teachers.rendering.camera import Camera

Numbers = Float[Tensor, " view"]


@dataclass(frozen=True)
class Comparison:
    """The views of one item as one method shows them.

    Attributes:
        prediction: what was predicted.
        camera: what it was looked at through.
        truth: at the same cameras and of the same size; None where there is none.
        given: the picture that was lifted, in [-1, 1].
    """

    prediction: Truth
    camera: Camera
    truth: Truth | None = None
    given: Float[Tensor, "1 3 given_height given_width"] | None = None

    @property
    def both(self) -> Bool[Tensor, "view 1 height width"] | None:
        """Where both silhouettes are; None unless both are known."""
        if self.truth is None or self.prediction.solid is None or self.truth.solid is None:
            return None
        return self.prediction.solid & self.truth.solid

    @property
    def depths(self) -> "tuple[Tensor, Tensor, Tensor] | None":
        """Predicted depth, true depth and where both count; None unless all of them are known."""
        if (
            self.both is None
            or self.truth is None
            or self.prediction.depth is None
            or self.truth.depth is None
        ):
            return None
        return self.prediction.depth, self.truth.depth, self.both
