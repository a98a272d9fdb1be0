"""Degradations of an input image: blur, noise, occlusion. Each is a function of the image and a
subject's random stream.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Picture = Float[Tensor, "3 height width"]


def blurred(image: Picture, *, share: int | float) -> Picture:
    """Gaussian blur whose standard deviation is a share of the image side."""
    sigma = share * image.shape[-1]
    if sigma <= 0:
        return image
    radius = max(1, math.ceil(3 * sigma))
    offsets = torch.arange(-radius, radius + 1).to(image)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    padded = F.pad(image[None], (radius,) * 4, mode="replicate")
    across = F.conv2d(padded.transpose(0, 1), kernel[None, None, None])
    return F.conv2d(across, kernel[None, None, :, None]).transpose(0, 1)[0]


def noisy(image: Picture, random: np.random.Generator, *, deviation: int | float) -> Picture:
    """Independent Gaussian noise of that standard deviation, for images in [-1, 1]."""
    return (
        image + deviation * torch.from_numpy(random.standard_normal(image.shape, np.float32))
    ).clamp(-1, 1)


def occluded(image: Picture, random: np.random.Generator, *, share: int | float) -> Picture:
    """A plain disc somewhere over the face; `share` is its area over the middle half's."""
    side = image.shape[-1]
    radius = math.sqrt(share * 0.25 / math.pi)
    x, y = 0.5 + random.uniform(-0.13, 0.13), 0.5 + random.uniform(-0.08, 0.16)
    colour = torch.from_numpy(random.uniform(-0.8, 0.8, 3).astype(np.float32))
    centres = (torch.arange(side) + 0.5) / side
    inside = (centres[None] - x) ** 2 + (centres[:, None] - y) ** 2 < radius**2
    return torch.where(inside, colour[:, None, None], image)
