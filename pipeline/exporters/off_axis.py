"""Parallel cameras with sheared frusta, for displays that show several views of one head.

All of them look the same way and have one plane in common, on which nothing moves between the
views. Cameras that turn towards a point ("toe-in") would shift points up and down as well, which
eyes can't fuse.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.pictures import to_uint8
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer

RAYS = 256
"""Side of a picture of teachers without super-resolution."""


@dataclass(frozen=True)
class Frame:
    """The pictures of a display.

    Attributes:
        width, height: pixels of one picture.
        aspect: width over height as they are seen; a tile's pixels needn't be square.
    """

    width: int
    height: int
    aspect: float


def sheared(camera: Camera, offset: float, convergence: float) -> Camera:
    """The camera moved sideways, its frustum sheared back.

    A point at depth Z moves by focal · offset · (1 / convergence − 1 / Z) image widths to the
    right: not at all at Z = convergence, and against the camera where it is nearer.

    Args:
        camera: the middle one.
        offset: world units, positive to the camera's right.
        convergence: depth of the plane that stays, along the optical axis, world units.
    """
    pose, intrinsics = camera.cam_to_world.clone(), camera.intrinsics.clone()
    pose[:, :3, 3] += offset * pose[:, :3, 0]
    intrinsics[:, 0, 2] += intrinsics[:, 0, 0] * offset / convergence
    return Camera(pose, intrinsics)


def widened(camera: Camera, across: float, down: float) -> Camera:
    """A camera that sees so many times as much about the middle of the image."""
    intrinsics = camera.intrinsics.clone()
    middle = torch.tensor([0.5, 0.5]).to(intrinsics)
    factors = torch.tensor([across, down]).to(intrinsics)
    intrinsics[:, 0, :2] /= across
    intrinsics[:, 1, 1] /= down
    intrinsics[:, :2, 2] = (intrinsics[:, :2, 2] - middle) / factors + middle
    return Camera(camera.cam_to_world, intrinsics)


@torch.no_grad()
def depth_of_head(portrait: LiftedPortrait, camera: Camera) -> float:
    """The median depth, along the optical axis, of what a camera sees of the head; world units.

    Raises:
        ValueError: it sees nothing.
    """
    view = portrait.render(camera)
    side = view.depth.shape[-1]
    along = camera.rays(side).directions[0] @ camera.cam_to_world[0, :3, 2]
    solid = (view.opacity[0, 0] > 0.5).flatten().cpu()
    if not solid.any():
        raise ValueError("the head can't be seen from the front: is the triplane empty?")
    return float((view.depth[0, 0].flatten().cpu() * along.cpu())[solid].median())


def pictures(
    portrait: LiftedPortrait,
    camera: Camera,
    offsets: list[float],
    *,
    convergence: float,
    frame: Frame,
    rays: int = RAYS,
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The views of sheared cameras, one after another.

    The frame's height is the image's height; a narrow frame cuts the image's sides, a wide one sees
    more at both. A teacher with super-resolution is drawn as it was trained, at its own size with
    square pixels, and cut; others cast their rays where the frame needs them.
    """
    renderer = portrait.lifter.renderer
    squared = not isinstance(renderer, TriplaneRenderer) or renderer.super_resolution is not None
    zoom = max(1.0, frame.aspect)
    seen = widened(camera, *((zoom, zoom) if squared else (frame.aspect, 1.0)))
    if isinstance(renderer, TriplaneRenderer):
        sampling = renderer.sampling
        limits: dict[str, Any] = {}
        if sampling.near is not None and sampling.far is not None:
            # distances grow as the camera moves aside
            aside = math.hypot(convergence, max(map(abs, offsets))) - convergence
            limits = {"near": sampling.near, "far": sampling.far + aside}
        renderer = renderer.changed(resolution=None if squared else rays, **limits)
    for offset in offsets:
        moved = sheared(seen, offset, convergence).to(portrait.triplane.planes)
        with torch.no_grad():
            image = Image.fromarray(to_uint8(renderer(portrait.triplane, moved).image[0]))
        box = None
        if squared:
            across, down = image.width * frame.aspect / zoom, image.height / zoom
            left, top = (image.width - across) / 2, (image.height - down) / 2
            box = (left, top, left + across, top + down)
        size = (frame.width, frame.height)
        yield np.asarray(image.resize(size, Image.Resampling.LANCZOS, box=box))
