"""Dual discrimination (EG3D sec. 4.3): image and raw image, and a matte if there is one."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.passport import Passport
from teachers.rendering.rendering import Rendering
from teachers.stylegan.discriminator import Discriminator


def discriminator_input(
    image: Float[Tensor, "batch 3 height width"],
    image_raw: Float[Tensor, "batch 3 raw_height raw_width"] | None = None,
    opacity: Float[Tensor, "batch 1 height width"] | None = None,
) -> Float[Tensor, "batch channel height width"]:
    """The discriminator's input: image, raw image resized to it, matte in [-1, 1].

    Without a super-resolution there is no separate raw image: dual discrimination is off. The matte
    is an option beyond EG3D for data that has one.
    """
    parts = [image]
    if image_raw is not None:
        parts.append(
            F.interpolate(
                image_raw,
                size=image.shape[-2:],
                mode="bilinear",
                align_corners=False,
                antialias=True,
            )
        )
    if opacity is not None:
        parts.append(opacity * 2 - 1)
    return torch.cat(parts, 1)


class RenderingInput:
    """The discriminator's input for renderings of a teacher or of its student.

    Args:
        passport: of the teacher: with a super-resolution the discriminator reads the raw image,
            too, with a matte the opacity.
        discriminator: as it came with the teacher.

    Raises:
        ValueError: the discriminator reads other channels.
    """

    def __init__(self, passport: Passport, discriminator: Discriminator) -> None:
        self.has_raw = passport.super_resolution != "none"
        self.has_matte = passport.background == "matte"
        self.side = int(discriminator.arguments["resolution"])
        channels = 3 + 3 * self.has_raw + self.has_matte
        if channels != discriminator.arguments["image_channels"]:
            raise ValueError(
                f"the discriminator reads {discriminator.arguments['image_channels']} channels,"
                f" images of the teacher {passport.name!r} have {channels}"
                f" (super_resolution={passport.super_resolution!r},"
                f" background={passport.background!r}): they don't belong together"
            )

    def __call__(self, rendering: Rendering) -> Float[Tensor, "batch channel height width"]:
        """The input, differentiable; smaller renderings are enlarged to the discriminator's."""
        return discriminator_input(*self.parts(rendering))

    def parts(self, rendering: Rendering) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """What `discriminator_input` puts together: the image, the raw image at its own size and
        the opacity, None where there is none.
        """
        return (
            self._enlarged(rendering.image),
            rendering.image_raw if self.has_raw else None,
            self._enlarged(rendering.opacity) if self.has_matte else None,
        )

    def _enlarged(self, image: Tensor) -> Tensor:
        if image.shape[-1] == self.side:
            return image
        return F.interpolate(
            image, size=(self.side, self.side), mode="bilinear", align_corners=False
        )


__all__ = ["Discriminator", "RenderingInput", "discriminator_input"]
