"""Errors and depths as coloured images."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from pipeline.evaluation.items import SOLID
from pipeline.pictures import depth_picture, to_uint8

from .images import Picture, opened

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

FULL_ERROR = 64.0
"""Levels of 255: errors of this size and above have the darkest colour."""


def error_map(prediction: Path, reference: Path) -> Picture:
    """The mean absolute difference of the channels: white is 0, black `FULL_ERROR` levels."""
    mine, other = opened(prediction), opened(reference)
    mine = mine.resize(other.size, Image.Resampling.BICUBIC)
    difference = np.abs(np.asarray(mine, dtype=float) - np.asarray(other, dtype=float)).mean(-1)
    return Image.fromarray(_error_colours()(difference / FULL_ERROR, bytes=True)[..., :3])


def error_gradient() -> str:
    """The colours of an error map as a CSS gradient."""
    colours = _error_colours()(np.linspace(0, 1, 9), bytes=True)[:, :3].tolist()
    stops = ", ".join(f"rgb({red} {green} {blue})" for red, green, blue in colours)
    return f"linear-gradient(90deg, {stops})"


def depth_map(depth: Path, scale_of: Path) -> Picture:
    """A depth file in colours, white outside the silhouette.

    Args:
        depth: the file to show.
        scale_of: the file whose nearest and farthest depth are red and blue.

    Raises:
        ValueError: a file is damaged, or has no depth.
    """
    values, opacity = _depth(depth)
    scale, inside = _depth(scale_of)
    known = scale[inside > SOLID]
    near, far = (float(known.min()), float(known.max())) if known.numel() else (0.0, 1.0)
    colours = depth_picture(values, near, max(far, near + 1e-3))
    return Image.fromarray(to_uint8(torch.where(opacity > SOLID, colours, torch.ones(1))))


def _error_colours() -> "Colormap":
    from matplotlib import colormaps

    return colormaps["gist_heat_r"]


def _depth(path: Path) -> tuple[Float[Tensor, "1 height width"], Float[Tensor, "1 height width"]]:
    try:
        tensors = safetensors.torch.load_file(path)
        depth = tensors["depth"].float()
    except (SafetensorError, KeyError) as error:
        raise ValueError(
            f"{path} holds no depth ({error}): evaluate again, or remove it and write the report"
            " again"
        ) from error
    return depth, tensors["opacity"].float() if "opacity" in tensors else torch.ones_like(depth)
