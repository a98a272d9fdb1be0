"""What a metric receives: the predicted views of one item and all that is known about them."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.evaluation.items import ItemViews
from teachers.rendering.camera import Camera

Numbers = Float[Tensor, " view"]


@dataclass(frozen=True)
class ScoringInput:
    """The views of one item as one method predicts them, with the reference.

    Attributes:
        prediction: what was predicted.
        camera: of the views.
        reference: the same views, at the same size; None if there is none.
        given: the input image, in [-1, 1].
    """

    prediction: ItemViews
    camera: Camera
    reference: ItemViews | None = None
    given: Float[Tensor, "1 3 given_height given_width"] | None = None

    @property
    def both(self) -> Bool[Tensor, "view 1 height width"] | None:
        """The intersection of both silhouettes; None unless both are known."""
        if self.reference is None:
            return None
        predicted, true = self.prediction.solid, self.reference.solid
        return None if predicted is None or true is None else predicted & true

    @property
    def depths(self) -> "tuple[Tensor, Tensor, Tensor] | None":
        """Predicted depth, reference depth, and the mask over which they are compared: inside both
        silhouettes, where the reference's depth is known (> 0); None unless all are known.
        """
        if self.both is None or self.reference is None:
            return None
        if self.prediction.depth is None or self.reference.depth is None:
            return None
        depth = self.reference.depth
        return self.prediction.depth, depth, self.both & (depth > 0)
