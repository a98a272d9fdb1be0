"""Pictures of another size."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def resized(
    image: Float[Tensor, "batch 3 height width"], size: int
) -> Float[Tensor, "batch 3 size size"]:
    """Brought to another size, antialiased; as it is where it has that size."""
    if image.shape[-2:] == (size, size):
        return image
    return F.interpolate(
        image, size=(size, size), mode="bicubic", align_corners=False, antialias=True
    ).clamp(-1, 1)
