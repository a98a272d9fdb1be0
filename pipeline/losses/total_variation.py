"""Total variation of the student's planes: what a codec has to write (docs/streaming.md)."""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.triplane import Triplane

from .kinds import PlaneLoss


class TotalVariationLoss(PlaneLoss):
    """Mean absolute difference of neighbouring texels, of rows plus of columns (Rudin, Osher and
    Fatemi 1992, anisotropic). The teacher's planes don't count.
    """

    def forward(self, prediction: Triplane, target: Triplane) -> Float[Tensor, ""]:
        """Zero only for planes that are constant."""
        planes = prediction.planes
        return planes.diff(dim=-1).abs().mean() + planes.diff(dim=-2).abs().mean()
