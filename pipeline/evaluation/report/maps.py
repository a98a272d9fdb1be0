"""Errors and depth as pictures for the page."""

from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from safetensors import SafetensorError
from torch import Tensor

from pipeline.evaluation.items import SOLID
from pipeline.pictures import depth_picture, to_uint8

from .pictures import Picture, opened

FULL_ERROR = 64.0
"""Levels of 255: so far off, or farther, is the darkest colour of an error map."""

ERROR_COLOURS = np.array(
    [[255, 255, 255], [254, 228, 173], [250, 160, 82], [214, 69, 59], [122, 16, 78], [28, 5, 40]],
    dtype=float,
)


def error_map(prediction: Path, truth: Path) -> Picture:
    """The mean difference of the three channels in colours: white is none, the darkest `FULL_ERROR`
    levels or more.
    """
    seen, true = opened(prediction), opened(truth)
    if seen.size != true.size:
        seen = seen.resize(true.size, Image.Resampling.BICUBIC)
    difference = np.abs(np.asarray(seen, dtype=float) - np.asarray(true, dtype=float)).mean(-1)
    return Image.fromarray(error_colours(difference / FULL_ERROR))


def error_colours(share: Float[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """Shares of the largest error as colours; more than 1 is shown as 1."""
    place = share.clip(0, 1) * (len(ERROR_COLOURS) - 1)
    channels = [
        np.interp(place, np.arange(len(ERROR_COLOURS)), ERROR_COLOURS[:, channel])
        for channel in range(3)
    ]
    return np.stack(channels, -1).round().astype(np.uint8)


def error_scale() -> str:
    """The colours of an error map as a CSS gradient."""
    return (
        "linear-gradient(90deg,"
        f" {', '.join(f'rgb({int(red)} {int(green)} {int(blue)})' for red, green, blue in ERROR_COLOURS)})"
    )


def depth_map(depth: Path, scale_of: Path) -> Picture:
    """A depth file in colours from near (red) to far (blue) of what another one shows inside its
    silhouette; white outside.

    Raises:
        ValueError: a file is damaged, or has no depth.
    """
    seen, opacity = _depth(depth)
    scale, inside = _depth(scale_of)
    known = scale[inside > SOLID]
    near, far = (float(known.min()), float(known.max())) if known.numel() else (0.0, 1.0)
    colours = depth_picture(seen, near, max(far, near + 1e-3))
    return Image.fromarray(to_uint8(torch.where(opacity > SOLID, colours, torch.ones(1))))


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
