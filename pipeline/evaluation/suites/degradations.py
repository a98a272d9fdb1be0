"""What spoils a photograph: blur, noise, something in front of the face. Each is a function of the
picture and a subject's stream.
"""

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

Picture = Float[Tensor, "3 height width"]


def blurred(image: Picture, *, share: int | float) -> Picture:
    """Out of focus: a Gaussian whose standard deviation is a share of the picture's side."""
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
    """Sensor noise: independent Gaussians of that deviation (the scale is 2 from black to white)."""
    return (
        image + deviation * torch.from_numpy(random.standard_normal(image.shape, np.float32))
    ).clamp(-1, 1)


def occluded(image: Picture, random: np.random.Generator, *, share: int | float) -> Picture:
    """A plain disc, in area that share of the middle half of the picture, somewhere over the face:
    a cup, a hand, a microphone.
    """
    side = image.shape[-1]
    radius = math.sqrt(share * 0.25 / math.pi)
    x, y = 0.5 + random.uniform(-0.13, 0.13), 0.5 + random.uniform(-0.08, 0.16)
    colour = torch.from_numpy(random.uniform(-0.8, 0.8, 3).astype(np.float32))
    centres = (torch.arange(side) + 0.5) / side
    inside = (centres[None] - x) ** 2 + (centres[:, None] - y) ** 2 < radius**2
    return torch.where(inside, colour[:, None, None], image)
