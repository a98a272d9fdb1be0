"""The views of one identity that several outputs share."""

from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

from .reconstructor import LiftedPortrait

DECIMALS = 6
"""To which camera labels are rounded when they are compared: cameras that differ by less see the
same.
"""

CameraKey = tuple[float, ...]
"""Compares equal for equal cameras."""


def camera_key(camera: Camera) -> CameraKey:
    """Of the first camera of a batch."""
    label = camera.label()[0].double().round(decimals=DECIMALS)
    return tuple(label.tolist())


class Views:
    """Renders each camera once, whichever outputs ask for it.

    Args:
        portrait: the identity.
    """

    def __init__(self, portrait: LiftedPortrait) -> None:
        self.portrait = portrait
        self._kept: dict[CameraKey, Rendering] = {}

    def __call__(self, camera: Camera, *, keep: bool = True) -> Rendering:
        """The view of one camera (a batch of one).

        Args:
            camera: whose view.
            keep: whether it stays in memory for the next request; the frames of a film don't.
        """
        key = camera_key(camera)
        if key in self._kept:
            return self._kept[key]
        rendering = self.portrait.render(camera)
        if keep:
            self._kept[key] = rendering
        return rendering
