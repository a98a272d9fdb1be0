"""Whatever a caller has in hand as a photograph → the square tensor that an encoder takes."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.portraits.face import Picture
from pipeline.portraits.framing import CentreSquare, Framing
from pipeline.portraits.hooks.chain import Cut, Hooks
from pipeline.portraits.photograph import read_photograph
from pipeline.portraits.pixels import upright_rgb

Photo = Path | str | Image.Image | np.ndarray | Tensor
"""A file; a Pillow image; 8-bit pixels [height width], [height width 3] or [height width 4]; or a
square image in [-1, 1], [3 height width] or [1 3 height width], which is taken as it is.
"""


def photo_tensor(
    photo: Photo,
    *,
    resolution: int,
    background: float = 1.0,
    framing: Framing | None = None,
    hooks: Hooks | None = None,
) -> Float[Tensor, "1 3 height width"]:
    """The photograph as one image in [-1, 1].

    Args:
        photo: see `Photo`.
        resolution: side of the result; a tensor keeps its own.
        background: grey level in [0, 1] behind transparent pixels.
        framing: which square is cut; None: the largest in the middle. A tensor is cut already.
        hooks: edit the square.

    Raises:
        ValueError: it can't be read as a photograph, holds several faces that are all wanted, or is
            an array or tensor of another form; or a hook breaks its contract.
    """
    if isinstance(photo, Tensor):
        image = _of_tensor(photo)
        return hooks.edit(Cut.of(image[0])).image[None] if hooks else image
    source = Path(photo) if isinstance(photo, Path | str) else Path("photograph")
    try:
        picture = Picture(_decoded(photo, source, background), source)
        framed = (framing or CentreSquare()).frame(picture)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error
    if len(framed) > 1:
        raise ValueError(
            f"{source}: {len(framed)} faces, and one is lifted at a time: frame with faces=largest,"
            " or lift squares of your own"
        )
    return (hooks or Hooks()).cut(framed[0], picture.image, resolution).image[None]


def _decoded(
    photo: Path | str | Image.Image | np.ndarray, source: Path, background: float
) -> Image.Image:
    if isinstance(photo, Path | str):
        return read_photograph(source, background=background)
    if isinstance(photo, np.ndarray):
        if (
            photo.dtype != np.uint8
            or photo.ndim not in (2, 3)
            or photo.shape[2:]
            not in (
                (),
                (3,),
                (4,),
            )
        ):
            raise ValueError(
                f"an array of {photo.dtype} {list(photo.shape)} came: expected uint8 [height"
                " width], [height width 3] or [height width 4] (a float image goes in as a torch"
                " tensor in [-1, 1], [3 height width])"
            )
        photo = Image.fromarray(np.ascontiguousarray(photo))
    return upright_rgb(photo, background)


def _of_tensor(photo: Tensor) -> Float[Tensor, "1 3 height width"]:
    image = photo[None] if photo.ndim == 3 else photo
    if not torch.is_floating_point(image) or image.ndim != 4 or image.shape[:2] != (1, 3):
        raise ValueError(
            f"a tensor of {photo.dtype} {list(photo.shape)} came: expected one RGB image in [-1,"
            " 1], floating point, [3 height width] or [1 3 height width]"
        )
    return image
