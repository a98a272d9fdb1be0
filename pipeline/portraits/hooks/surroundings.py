"""Hooks of what is around the person: another background, a mirror image."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera

from ..crop import Crop
from ..photograph import read_photograph
from .filters import blurred
from .kinds import CameraHook, MatteHook

Images = Float[Tensor, "batch 3 height width"]


class Background(MatteHook):
    """Something else behind the person; `matte=true` would put the teacher's grey level there.

    Args:
        colour: red, green, blue in [0, 1].
        picture: a file, whose middle is taken.
        blur: the photograph's own, out of focus: standard deviation in sides of the image.

    Raises:
        ValueError: not exactly one of the three is given, or one is out of range.
    """

    def __init__(
        self,
        *,
        colour: list[float | int] | None = None,
        picture: Path | str | None = None,
        blur: float | int | None = None,
    ) -> None:
        if sum(given is not None for given in (colour, picture, blur)) != 1:
            raise ValueError("give one of colour, picture and blur, and null for the others")
        if colour is not None and (len(colour) != 3 or not all(0 <= c <= 1 for c in colour)):
            raise ValueError(f"colour is {colour}: give red, green, blue in [0, 1]")
        if blur is not None and not 0 < blur <= 0.25:
            raise ValueError(f"blur is {blur}: give a share of the image's side up to 0.25")
        self.colour, self.blur = colour, blur
        try:
            self.photograph = None if picture is None else read_photograph(Path(picture))
        except ValueError as error:
            raise ValueError(f"{picture}: {error}") from error

    def __call__(self, image: Images, person: Float[Tensor, "batch 1 height width"]) -> Images:
        """The person in front of it."""
        return person * image + (1 - person) * self._behind(image, person)

    def _behind(self, image: Images, person: Tensor) -> Images:
        if self.colour is not None:
            return (2 * torch.tensor(self.colour).to(image)[:, None, None] - 1).expand_as(image)
        if self.photograph is not None:
            middle = Crop.centre(*self.photograph.size)
            return middle.cut(self.photograph, image.shape[-1]).to(image).expand_as(image)
        assert self.blur is not None
        # weighted by what is no person: else the face would glow into its surroundings
        seen = 1 - person
        light = blurred(seen * (image + 1) - 1, self.blur) + 1
        return (light / blurred(seen, self.blur).clamp(min=0.02) - 1).clamp(-1, 1)


class Mirror(CameraHook):
    """The mirror image, seen by the mirrored camera."""

    def __call__(self, image: Images, camera: Camera | None) -> tuple[Images, Camera | None]:
        """The image with its camera."""
        return image.flip(-1), None if camera is None else camera.mirrored()

    def turned(self, angles: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame 3"]:
        """See `CameraHook.turned`: yaw and roll are negated."""
        return angles * np.array([-1.0, 1.0, -1.0])
