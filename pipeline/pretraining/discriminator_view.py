"""The discriminator's input: renderings and training images at the same size, equally blurred."""

import kornia
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.eg3d.configuration import EG3DConfiguration
from teachers.eg3d.discriminator import discriminator_input
from teachers.rendering.rendering import Rendering

from .schedule import GANSchedule
from .training_images import ImageBatch


def discriminator_channels(config: EG3DConfiguration) -> int:
    """Input channels of a generator's discriminator: image, raw image (super-resolution), matte."""
    return 3 + 3 * (config.super_resolution != "none") + (config.background == "matte")


class DiscriminatorView:
    """Makes the discriminator's input from renderings and from training images.

    With super-resolution the discriminator sees the final and the raw image (dual discrimination,
    EG3D sec. 4.3).

    Args:
        config: of the generator.
        schedule: of the ray grid's resolution and of the blur.
    """

    def __init__(self, config: EG3DConfiguration, schedule: GANSchedule) -> None:
        self.config, self.schedule = config, schedule
        self.has_superresolution = config.super_resolution != "none"

    def of_rendering(
        self, rendering: Rendering, seen: int
    ) -> Float[Tensor, "batch channel height width"]:
        """The input for renderings, after `seen` real images."""
        matte = self._enlarge(rendering.opacity) if self.config.background == "matte" else None
        raw = rendering.image_raw if self.has_superresolution else None
        return self.stack(self._enlarge(rendering.image), raw, matte, seen)

    def of_images(self, real: ImageBatch, seen: int) -> Float[Tensor, "batch channel height width"]:
        """The input for training images, after `seen` real images."""
        return self.stack(*self.parts(real, seen), seen)

    def parts(self, real: ImageBatch, seen: int) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Image, raw image and matte of training images: composited like the renderings, and
        reduced to their resolution.
        """
        image = real.over(0.0 if self.config.background == "black" else 1.0)
        side = self.schedule.render_resolution(seen)
        matte = None
        if self.config.background == "matte":
            matte = self._enlarge(_reduce(real.opacity, side))
        if self.has_superresolution:
            return image, _reduce(image, side), matte
        return self._enlarge(_reduce(image, side)), None, matte

    def stack(
        self, image: Tensor, raw: Tensor | None, matte: Tensor | None, seen: int
    ) -> Float[Tensor, "batch channel height width"]:
        """The blurred input. Of final and raw image only the final one is blurred, as in EG3D."""
        if raw is None:
            return self._blur(discriminator_input(image, None, matte), seen)
        return discriminator_input(self._blur(image, seen), raw, matte)

    def _enlarge(self, x: Tensor) -> Tensor:
        side = self.config.image_resolution
        if x.shape[-1] == side:
            return x
        return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)

    def _blur(self, x: Tensor, seen: int) -> Tensor:
        sigma = self.schedule.blur(seen)
        if sigma < 0.3:
            return x
        kernel = 2 * int(3 * sigma) + 1
        return kornia.filters.gaussian_blur2d(
            x, (kernel, kernel), (sigma, sigma), border_type="replicate"
        )


def _reduce(x: Tensor, side: int) -> Tensor:
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
