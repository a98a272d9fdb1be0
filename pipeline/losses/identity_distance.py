"""Distance of the face embeddings of dlib's network: an identity loss whose weights anybody can
fetch.
"""

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from teachers.rendering.rendering import Rendering

from .dlib_resnet import CONTENTS, FACE_BOX, SIDE, DlibResNet
from .face_box import crop_box, require_face_box
from .frozen import Frozen
from .kinds import ViewLoss
from .weight_files import WeightFile, require_weights

FILE = WeightFile(
    "dlib_face_recognition.safetensors",
    CONTENTS,
    "`trilift weights identity` (PyPI face-recognition-models 0.3.0; public domain by its author)",
    "27a5da9c2bad8a910ff99af872fea1b06ad12ff42442acc16c628e41b37c6c77",
)


class IdentityDistanceLoss(ViewLoss):
    """Mean Euclidean distance of the embeddings of the final images' faces: below 0.6 dlib calls
    them one identity.

    Args:
        weight: factor in the sum.
        weights_folder: has the file that `trilift weights identity` writes.
        face_box: left, top, right and bottom of dlib's crop, in image sizes.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: it is another one, or the box is none.
    """

    def __init__(
        self,
        *,
        weights_folder: Path | str,
        weight: float | int = 1.0,
        face_box: Sequence[float | int] = FACE_BOX,
    ) -> None:
        super().__init__(weight=weight)
        self.face_box = require_face_box(face_box)
        (path,) = require_weights([FILE], Path(weights_folder))
        self.network = Frozen(DlibResNet.load(path))

    def forward(self, prediction: Rendering, target: Rendering) -> Float[Tensor, ""]:
        """At least 0. The target gets no gradient."""
        seen, expected = (
            self.network(dlib_crop(image, self.face_box))
            for image in (prediction.image, target.image.detach())
        )
        # the root has no finite gradient at 0
        return ((seen - expected).square().sum(1) + 1e-12).sqrt().mean()


def dlib_crop(
    image: Float[Tensor, "batch 3 height width"], box: Sequence[float | int] = FACE_BOX
) -> Float[Tensor, "batch 3 150 150"]:
    """See `crop_box`; images in [-1, 1]."""
    return crop_box(image, box, SIDE)
