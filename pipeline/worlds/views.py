"""What every world renders."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.camera import Camera


@dataclass(frozen=True)
class WorldViews:
    """One picture per identity.

    Attributes:
        color: RGB in [0, 1], premultiplied by the opacity: black where nothing is.
        opacity: share of a pixel's samples that hit the identity, in [0, 1].
        depth: mean distance from the camera centre of the samples that hit (world units), 0 where
            none did.
        normal: mean unit normal in world space, 0 where nothing is.
        part: the world's part numbers of one sample near the middle of each pixel; 0 is background.
        backdrop: RGB in [0, 1] of the background.
        camera: the cameras that took the pictures.
        landmarks: iBUG 300-W's 68 points in world space, hidden ones too; None where a world has
            none.
    """

    color: Float[Tensor, "batch 3 height width"]
    opacity: Float[Tensor, "batch 1 height width"]
    depth: Float[Tensor, "batch 1 height width"]
    normal: Float[Tensor, "batch 3 height width"]
    part: Int[Tensor, "batch 1 height width"]
    backdrop: Float[Tensor, "batch 3 height width"]
    camera: Camera
    landmarks: Float[Tensor, "batch 68 3"] | None = None

    def image(
        self, background: Float[Tensor, "batch 3 height width"] | float | None = None
    ) -> Float[Tensor, "batch 3 height width"]:
        """The image in [-1, 1] over a background in [0, 1]; None: the identity's backdrop."""
        behind = self.backdrop if background is None else background
        return (self.color + (1 - self.opacity) * behind) * 2 - 1

    def rgba(self) -> Float[Tensor, "batch 4 height width"]:
        """Premultiplied colour and opacity, in [0, 1]."""
        return torch.cat([self.color, self.opacity], 1)


def mean_samples(
    samples: Float[Tensor, "batch sample 8"],
    is_hit: Bool[Tensor, "batch sample"],
    backdrop: Float[Tensor, "batch 3 height width"],
    camera: Camera,
    supersampling: int,
    landmarks: Float[Tensor, "batch 68 3"] | None = None,
) -> WorldViews:
    """Pictures of what the rays through finer pixels see.

    Args:
        samples: colour, normal, depth, part number, row by row; zeros where nothing is.
        is_hit: which of them hit.
        backdrop: RGB in [0, 1].
        camera: the cameras.
        supersampling: a pixel is the mean of this many squared samples.
        landmarks: of the identities.
    """
    side = backdrop.shape[-1] * supersampling
    grid = samples.mT.unflatten(2, (side, side))
    mean = F.avg_pool2d(grid, supersampling)
    opacity = F.avg_pool2d(is_hit.float().unflatten(1, (side, side))[:, None], supersampling)
    middle = supersampling // 2
    return WorldViews(
        color=mean[:, :3],
        opacity=opacity,
        depth=mean[:, 6:7] / opacity.clamp(min=1e-6),
        normal=F.normalize(mean[:, 3:6], dim=1) * (opacity > 0),
        part=grid[:, 7:8, middle::supersampling, middle::supersampling].round().long(),
        backdrop=backdrop,
        camera=camera,
        landmarks=landmarks,
    )
