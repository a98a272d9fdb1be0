"""The part of a face-centred image that a face network reads."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def require_face_box(box: Sequence[float | int]) -> Sequence[float | int]:
    """The box itself, if it is one.

    Raises:
        ValueError: it isn't left < right and top < bottom, between 0 and 1.
    """
    if len(box) != 4 or not (0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
        raise ValueError(
            f"face_box is {list(box)}: expected left < right and top < bottom between 0 and 1, in"
            " image sizes"
        )
    return box


def crop_box(
    image: Float[Tensor, "batch 3 height width"], box: Sequence[float | int], side: int
) -> Float[Tensor, "batch 3 side side"]:
    """The box (left, top, right, bottom in image sizes, rounded to whole pixels), resampled to a
    square with antialiasing.
    """
    height, width = image.shape[-2:]
    left, right = (round(box[i] * width) for i in (0, 2))
    top, bottom = (round(box[i] * height) for i in (1, 3))
    face = image[..., top : max(bottom, top + 1), left : max(right, left + 1)]
    return F.interpolate(face, (side, side), mode="bilinear", align_corners=False, antialias=True)
