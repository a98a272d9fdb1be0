"""L_feat: the rendered features (LP3D eq. 5; first stage only)."""

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.rendering import Rendering

from .kinds import ViewLoss


class FeatureLoss(ViewLoss):
    """Mean absolute difference of the feature images, all channels before super-resolution."""

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """In units of the feature images' range [-1, 1].

        Raises:
            ValueError: the target has another number of channels, as shards of other programs may.
        """
        found, wanted = target.feature_image.shape[1], prediction.feature_image.shape[1]
        if found != wanted:
            raise ValueError(
                f"the data's feature images have {found} channels, the student's {wanted}: train"
                " without loss=feature, or store the teacher's features"
            )
        return (prediction.feature_image - target.feature_image).abs().mean()
