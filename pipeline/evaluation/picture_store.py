"""The images of an evaluation on disk. Scores are computed from these files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional as F

from pipeline.pictures import from_uint8, write_png
from pipeline.portraits.photograph import decode_picture
from pipeline.portraits.pixels import opaque
from pipeline.runs.tensor_file import write_tensors

from .items import ItemViews

KEPT = {"depth": 1, "opacity": 1, "normal": 3, "part": 1}
"""What a depth file may hold, with its channels."""

REFERENCE = "truth"
"""Owner of the reference's files: the folder's name and the keys of score lines since schema 1."""

ERROR_GAIN = 2.0
"""An error image is black where the error is 0 and white from half of the scale on."""


@dataclass(frozen=True)
class Prediction:
    """The predicted views of one item. Depth and opacity may be smaller than the images: they are
    stored so, and enlarged when they are read.
    """

    image: Float[Tensor, "view 3 height width"]
    depth: Float[Tensor, "view 1 raw_height raw_width"] | None = None
    opacity: Float[Tensor, "view 1 raw_height raw_width"] | None = None


@dataclass(frozen=True)
class PictureStore:
    """Paths below a folder: images as 8-bit PNG, depth and opacity (of the reference also normals
    and parts) as safetensors.

    Attributes:
        folder: the output of an evaluation.
    """

    folder: Path

    @staticmethod
    def picture(owner: str, item: str, view: int | str) -> str:
        """Path of a view's image, relative to the folder; the owner is a method or `REFERENCE`."""
        return f"pictures/{owner}/{item}_{view}.png"

    @staticmethod
    def depth(owner: str, item: str, view: int | str) -> str:
        """Path of a view's depth, relative to the folder."""
        return f"depth/{owner}/{item}_{view}.safetensors"

    def put_picture(self, path: str, image: Float[Tensor, "channel height width"]) -> None:
        """Writes an image in [-1, 1], rounded to 8 bits."""
        write_png(self.folder / path, image)

    def put_views(self, owner: str, item: str, views: ItemViews | Prediction) -> None:
        """Writes every view: its image, and a depth file if anything of `KEPT` is known."""
        known = {name: getattr(views, name, None) for name in KEPT}
        for view in range(len(views.image)):
            self.put_picture(self.picture(owner, item, view), views.image[view])
            tensors = {
                name: _small(name, values[view])
                for name, values in known.items()
                if values is not None
            }
            if tensors:
                write_tensors(self.folder / self.depth(owner, item, view), tensors)

    def put_error(
        self,
        path: str,
        prediction: Float[Tensor, "3 height width"],
        reference: Float[Tensor, "3 height width"],
    ) -> None:
        """Writes the mean absolute colour difference, brightened."""
        self.put_picture(
            path,
            ((prediction - reference).abs().mean(0, keepdim=True) * ERROR_GAIN - 1).clamp(-1, 1),
        )

    def get_picture(self, path: str) -> Float[Tensor, "3 height width"]:
        """A stored image in [-1, 1].

        Raises:
            ValueError: it is missing or damaged.
        """
        return read_png(self.folder / path)

    def get_views(self, owner: str, item: str, count: int) -> ItemViews:
        """What `put_views` stored; depth and opacity at the size of the images."""
        return read_views(
            [self.folder / self.picture(owner, item, view) for view in range(count)],
            [self.folder / self.depth(owner, item, view) for view in range(count)],
        )


def read_png(path: Path) -> Float[Tensor, "3 height width"]:
    """An image file in [-1, 1]; ValueError if it is missing, damaged or transparent."""
    if not path.is_file():
        raise ValueError(f"the picture {path} is missing")
    try:
        return from_uint8(np.asarray(opaque(decode_picture(path))))
    except ValueError as error:
        raise ValueError(f"the picture {path} can't be used: {error}") from error


def read_views(
    pictures: list[Path], depths: list[Path], *, must_be_finite: bool = False
) -> ItemViews:
    """The views of one item from files; a map that one view lacks is dropped from all.

    Args:
        pictures, depths: a file for each view; those of depths may be missing.
        must_be_finite: whether a map may not hold NaN or infinity, as another program's.

    Raises:
        ValueError: a file is damaged, a map has another shape, or the views have several sizes.
    """
    images = [read_png(path) for path in pictures]
    if len({image.shape for image in images}) > 1:
        raise ValueError(
            f"{pictures[0]} and the other views of it have several sizes: give pictures of one size"
        )
    image = torch.stack(images)
    tensors = [_tensors(path, must_be_finite) for path in depths]
    _require_equal_shapes(depths, tensors)
    shared = [name for name in KEPT if all(name in found for found in tensors)]
    return ItemViews(
        image,
        **{
            name: _at_size(name, torch.stack([found[name] for found in tensors]), image.shape[-2:])
            for name in shared
        },
    )


def _tensors(path: Path, must_be_finite: bool) -> dict[str, Tensor]:
    if not path.is_file():
        return {}
    try:
        found = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    for name, channels in KEPT.items():
        if name not in found:
            continue
        shape = list(found[name].shape)
        if len(shape) != 3 or shape[0] != channels or 0 in shape:
            raise ValueError(
                f"{name} in {path} has the shape {shape}: expected [{channels}, height, width]"
            )
        if must_be_finite and not found[name].isfinite().all():
            worst = found[name][~found[name].isfinite()][0].item()
            raise ValueError(f"{name} in {path} holds {worst}: expected finite numbers")
    return found


def _require_equal_shapes(paths: list[Path], tensors: list[dict[str, Tensor]]) -> None:
    """Raises ValueError if a map has several shapes in the views of one item."""
    for name in KEPT:
        shapes = {
            found[name].shape: path
            for found, path in zip(tensors, paths, strict=True)
            if name in found
        }
        if len(shapes) > 1:
            listed = ", ".join(f"{list(shape)} in {path.name}" for shape, path in shapes.items())
            raise ValueError(
                f"{name} of the views of one item has several shapes ({listed}, in"
                f" {paths[0].parent}): give maps of one size"
            )


def _small(name: str, values: Tensor) -> Tensor:
    """Depth in 32 bits, the rest in fewer."""
    if name == "part":
        return values.to(torch.uint8)
    return values.float() if name == "depth" else values.half()


def _at_size(name: str, values: Tensor, size: torch.Size) -> Tensor:
    if name == "part":
        return values
    values = values.float()
    return (
        values
        if values.shape[-2:] == size
        else F.interpolate(values, size=size, mode="bilinear", align_corners=False)
    )
