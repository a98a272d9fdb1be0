"""L_tri: the planes (LP3D eq. 5)."""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.triplane import Triplane

from .kinds import PlaneLoss


class TriplaneLoss(PlaneLoss):
    """Mean absolute difference of the plane features.

    Args:
        weight: 1 in LP3D's first stage, 0.01 in its second (supp. A2).
    """

    def forward(self, prediction: Triplane, target: Triplane) -> Float[Tensor, ""]:
        """Zero only for equal planes.

        Raises:
            ValueError: the planes have other axes or boxes, so that their texels are at other
                points.
        """
        if prediction.axes != target.axes or prediction.box_size != target.box_size:
            raise ValueError(
                f"planes of axes {prediction.axes} in a box of {prediction.box_size} cannot be"
                f" compared with axes {target.axes} in a box of {target.box_size}: the student was"
                " built for another teacher"
            )
        return (prediction.planes - target.planes).abs().mean()
