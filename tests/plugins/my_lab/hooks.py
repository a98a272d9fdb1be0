"""Plug-in hooks: a function of the image, and one that moves the face and says so."""

import torch
from torch import Tensor

from pipeline.portraits.hooks.kinds import CameraHook
from teachers.rendering.camera import Camera


def sepia(image: Tensor, strength: float) -> Tensor:
    """[batch 3 height width] in [-1, 1] → the same."""
    grey = image.mean(1, keepdim=True)
    tone = torch.tensor([0.1, 0.0, -0.15]).to(image)[:, None, None]
    return ((1 - strength) * image + strength * (grey + tone)).clamp(-1, 1)


class Frontal(CameraHook):
    """Stands for a network that turns a face to the front: the camera changes, too."""

    def __call__(self, image: Tensor, camera: Camera | None) -> tuple[Tensor, Camera | None]:
        if camera is None:
            return image, None
        front = torch.zeros(1)
        return image, Camera.orbit(front, front)
