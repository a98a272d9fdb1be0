"""MediaPipe's segmentation of people: how much of each pixel of a crop is a person."""

from functools import cache

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..crop import Crop
from .detector import PRETRAINED
from .graph_network import GraphNetwork

SURROUNDINGS = 1.6
"""Side of the square that the network sees in sides of the crop, as far as the photograph is that
large: it was trained on people with their shoulders.
"""


@cache
def network() -> GraphNetwork:
    """Loaded at the first picture."""
    return GraphNetwork.load(PRETRAINED / "selfie_segmentation.safetensors")


def person_matte(
    image: Image.Image, crop: Crop, resolution: int
) -> Float[Tensor, "1 resolution resolution"]:
    """The share of each pixel that belongs to a person, in [0, 1].

    Everybody in the square counts. The network sees 256² pixels: edges are that soft, and strands
    of hair are lost.

    Args:
        image: RGB photograph.
        crop: the square.
        resolution: its side.
    """
    x, y = crop.left + crop.size / 2, crop.top + crop.size / 2
    side = max(crop.size, min(SURROUNDINGS * crop.size, max(image.size)))
    wide = Crop.about((float(x), float(y)), side, crop.roll_deg)
    pixels = wide.cut(image, network().side, outside="repeat")
    with torch.no_grad():
        (matte,) = network()((pixels[None] + 1) / 2)
    steps = ((torch.arange(resolution) + 0.5) / resolution * 2 - 1) * crop.size / side
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)[None]
    return F.grid_sample(matte, grid, align_corners=False)[0].clamp(0, 1)
