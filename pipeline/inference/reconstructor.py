"""Lift once, render many: `face = reconstructor.lift(photo)`, then `face.render(camera)`."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.lifter import Lifter
from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .camera_paths import orbit_of


class LiftedPortrait:
    """An identity who has been lifted from one photograph; rendering never runs the encoder again.

    Args:
        lifter: whose renderer draws.
        triplane: of one identity.
    """

    def __init__(self, lifter: Lifter, triplane: Triplane) -> None:
        self.lifter = lifter
        self.triplane = triplane

    @property
    def passport(self) -> Passport:
        """Of the teacher whose planes these are."""
        return self.lifter.passport

    @torch.no_grad()
    def render(self, camera: Camera) -> Rendering:
        """One picture per camera, one after another: memory is that of one picture.

        Cameras may be on another device; pictures come where the planes are.
        """
        camera = camera.to(self.triplane.planes)
        pictures = [
            self.lifter.render(self.triplane, camera[row : row + 1]) for row in range(len(camera))
        ]
        return _joined(pictures)

    def view(self, yaw: float = 0.0, pitch: float = 0.0) -> Rendering:
        """The picture from an angle (radians) at the teacher's own distance and focal length; 0, 0
        is frontal.
        """
        return self.render(orbit_of(self.passport, [yaw], [pitch]))


class Reconstructor:
    """A student at work: eval mode, no gradients, the whole batch of a call is one identity.

    Args:
        lifter: a loaded student with its renderer; is put into eval mode.
        image_size: side of the pictures that it is given; None: that which the encoder was made
            for.
    """

    def __init__(self, lifter: Lifter, image_size: int | None = None) -> None:
        self.lifter = lifter.eval()
        self.image_size = image_size or int(getattr(lifter.encoder, "image_size"))  # noqa: B009 (nn.Module types it Tensor)

    @torch.no_grad()
    def lift(self, image: Float[Tensor, "1 3 height width"]) -> LiftedPortrait:
        """One square picture in [-1, 1], on any device → the identity in it."""
        parameter = next(self.lifter.parameters())
        return LiftedPortrait(self.lifter, self.lifter.lift(image.to(parameter)))


def _joined(pictures: list[Rendering]) -> Rendering:
    fields = ("image", "image_raw", "feature_image", "depth", "opacity")
    return Rendering(
        **{field: torch.cat([getattr(picture, field) for picture in pictures]) for field in fields}
    )
