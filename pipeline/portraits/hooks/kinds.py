"""The kinds of hooks, by what they are given.

Most are of the first kind, which any function, `torch.nn.Module` or object with `__call__` is:

    hook(image) -> image                    the camera is kept, the person stays where it is
    MatteHook: hook(image, person) -> image the same, with the person's matte
    CameraHook: hook(image, camera)         the person moves in the picture: the new camera is
        -> (image, camera)                  declared (gaze, reenactment, warps)

Images are `[batch 3 height width]` in [-1, 1], sRGB, of the side that the student takes. A batch
holds one picture of a photograph; frames of a film or a stream come in their order.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera


class MatteHook(ABC):
    """Is also given the share of each pixel that is a person."""

    @abstractmethod
    def __call__(
        self,
        image: Float[Tensor, "batch 3 height width"],
        person: Float[Tensor, "batch 1 height width"],
    ) -> Float[Tensor, "batch 3 height width"]:
        """The new image in [-1, 1]; `person` is in [0, 1]."""


class CameraHook(ABC):
    """Changes where the face is in the picture, and says by which camera it is seen then."""

    @abstractmethod
    def __call__(
        self, image: Float[Tensor, "batch 3 height width"], camera: Camera | None
    ) -> tuple[Float[Tensor, "batch 3 height width"], Camera | None]:
        """The new image in [-1, 1], and its camera; None where it isn't known."""

    def turned(self, angles: Float[np.ndarray, "frame 3"]) -> Float[np.ndarray, "frame 3"]:
        """How a head in a film is turned after the hook.

        Args:
            angles: its yaw, pitch and roll before, radians.

        Returns:
            the same of the new pictures; NaN where that isn't known, as here.
        """
        return np.full_like(angles, np.nan)


ImageHook = Callable[[Tensor], Tensor]
"""The camera is kept: image in [-1, 1] → image in [-1, 1], of the same shape."""

Hook = ImageHook | MatteHook | CameraHook
