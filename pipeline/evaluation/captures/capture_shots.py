"""Photographs of one moment from a dataset, cropped to squares around the head and written as a
capture.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from pipeline.evaluation.items import ItemViews
from pipeline.pictures import from_uint8
from pipeline.portraits.photograph import decode_picture, read_mask
from pipeline.portraits.pixels import opaque
from teachers.rendering.camera import Camera

from .camera_frame import convergence
from .capture_crop import PixelCamera, Square, depth_of_points, distance_of_z
from .captures import write_capture


@dataclass(frozen=True)
class Shot:
    """One photograph: pixels in [-1, 1], camera, optional mask in [0, 1] and depth along the
    optical axis.
    """

    name: str
    image: Float[Tensor, "3 height width"]
    camera: PixelCamera
    mask: Float[Tensor, "1 height width"] | None = None
    z: Float[Tensor, "1 height width"] | None = None


def export_shots(
    folder: Path,
    name: str,
    shots: list[Shot],
    given: str,
    width: float,
    resolution: int,
    *,
    centre: Tensor | None = None,
    surface: Tensor | None = None,
) -> None:
    """Writes one capture: the given shot first, all cropped to squares around the head."""
    order = sorted(shots, key=lambda shot: shot.name != given)
    if len(order) < 2 or order[0].name != given:
        raise ValueError(
            f"{name} has {len(order)} pictures and"
            f" {'no' if order[:1] and order[0].name != given else 'the'} given view {given}"
        )
    if centre is None:
        poses = torch.stack([shot.camera.cam_to_world for shot in order]).float()
        centre = convergence(Camera(poses, torch.eye(3).expand(len(poses), 3, 3)))
    squares = [Square.about(shot.camera, centre, width) for shot in order]
    cameras = Camera.cat(
        [square.camera(shot.camera) for square, shot in zip(squares, order, strict=True)]
    )
    cut: dict[str, Any] = {
        "image": [
            square.cut(shot.image, resolution) for square, shot in zip(squares, order, strict=True)
        ]
    }
    masks = [shot.mask for shot in order if shot.mask is not None]
    if len(masks) == len(order):
        cut["opacity"] = [
            square.cut(mask, resolution) for square, mask in zip(squares, masks, strict=True)
        ]
    if surface is not None:
        cut["depth"] = [
            depth_of_points(surface, cameras[view : view + 1], resolution)
            for view in range(len(order))
        ]
    elif len(known := [shot.z for shot in order if shot.z is not None]) == len(order):
        flat = [
            square.cut(z, resolution, is_mixed=False)
            for square, z in zip(squares, known, strict=True)
        ]
        cut["depth"] = [distance_of_z(z, cameras[view : view + 1]) for view, z in enumerate(flat)]
    reference = ItemViews(**{kind: torch.stack(values) for kind, values in cut.items()})
    write_capture(folder / name, reference, cameras, names=[shot.name for shot in order])


def read_shot(path: Path) -> Float[Tensor, "3 height width"]:
    """The picture of a file in [-1, 1]; ValueError that names it if it can't be used."""
    try:
        return picture_tensor(opaque(decode_picture(path)))
    except ValueError as error:
        raise ValueError(f"{path} can't be used: {error}") from error


def picture_tensor(image: Image.Image) -> Float[Tensor, "3 height width"]:
    """An 8-bit RGB image in [-1, 1]."""
    return from_uint8(np.asarray(image))


def mask_tensor(path: Path, image: Tensor) -> Float[Tensor, "1 height width"]:
    """A grey image file in [0, 1] at the size of an image."""
    return like(read_mask(path), image)


def like(
    values: Float[Tensor, "1 height width"], image: Tensor
) -> Float[Tensor, "1 other_height other_width"]:
    """A mask or depth at the size of an image."""
    if values.shape[-2:] == image.shape[-2:]:
        return values
    return torch.nn.functional.interpolate(
        values[None], size=image.shape[-2:], mode="nearest-exact"
    )[0]
