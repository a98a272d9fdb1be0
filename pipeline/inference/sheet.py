"""Images of a lifted identity: the sheet of new views, depth, the turntable's frames."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from pipeline.pictures import depth_picture, normal_picture, tile, to_uint8
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

from .views import CameraKey, Views, camera_key

YAWS_DEG = (-40, -20, 0, 20, 40)
PITCHES_DEG = (-20, 0, 20)
CELL = 128
"""Smaller images are enlarged to this side: 64 pixels can't be judged on a screen."""
OPAQUE = 0.5


def view_sheet(
    views: Views, photograph: Float[Tensor, "3 height width"]
) -> Float[Tensor, "3 sheet_height sheet_width"]:
    """Three rows: input, frontal view, depth and normals; five yaws; three pitches."""
    orbit = views.portrait.orbit
    camera = orbit()
    frontal = views(camera)
    first = [
        photograph,
        frontal.image[0],
        depth_colours(frontal)[0],
        normal_colours(frontal, camera)[0],
    ]
    yaws = [views(orbit(yaw_deg=angle)).image[0] for angle in YAWS_DEG]
    pitches = [views(orbit(pitch_deg=angle)).image[0] for angle in PITCHES_DEG]
    side = max(CELL, frontal.image.shape[-1])
    rows = [[enlarged(picture, side) for picture in row] for row in (first, yaws, pitches)]
    labels = [
        "input · frontal\ndepth · normals",
        _label("yaw", YAWS_DEG),
        _label("pitch", PITCHES_DEG),
    ]
    return tile(rows, 4, row_labels=labels)


def depth_colours(rendering: Rendering) -> Float[Tensor, "batch 3 height width"]:
    """Depth in colours between the nearest and the farthest opaque point, [-1, 1]; transparent
    pixels are black.
    """
    opaque = rendering.opacity > OPAQUE
    inside = rendering.depth[opaque & rendering.depth.isfinite()]
    if len(inside) == 0:
        return torch.full_like(rendering.depth, -1.0).expand(-1, 3, -1, -1)
    near, far = float(inside.min()), float(inside.max())
    colours = depth_picture(
        rendering.depth.nan_to_num(far), near, far if far > near else near + 1e-6
    )
    return torch.where(opaque, colours, torch.full_like(colours, -1.0))


def normal_colours(rendering: Rendering, camera: Camera) -> Float[Tensor, "batch 3 height width"]:
    """Normals in colours, [-1, 1]; transparent pixels are black."""
    colours = normal_picture(rendering.depth, camera.to(rendering.depth))
    return torch.where(
        rendering.opacity > OPAQUE, colours, torch.full_like(colours, -1.0)
    ).nan_to_num(-1.0)


def film_frames(views: Views, cameras: Camera) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The frames of a film one by one, enlarged to at least 256 pixels, with even sides (which
    H.264's colour subsampling needs).
    """
    keys = [camera_key(cameras[frame : frame + 1]) for frame in range(len(cameras))]
    repeated: dict[CameraKey, np.ndarray] = {}  # 8-bit: renderings would take tens of times as much
    for frame, key in enumerate(keys):
        if key in repeated:
            yield repeated[key]
            continue
        image = views(cameras[frame : frame + 1], keep=False).image[0]
        side = max(2 * CELL, image.shape[-1] + image.shape[-1] % 2)
        pixels = to_uint8(enlarged(image, side))
        if key in keys[frame + 1 :]:
            repeated[key] = pixels
        yield pixels


def enlarged(picture: Float[Tensor, "3 height width"], side: int) -> Float[Tensor, "3 side side"]:
    """The picture at another size (bicubic), on the CPU."""
    picture = picture.detach().float().cpu()
    if picture.shape[1:] == (side, side):
        return picture
    return F.interpolate(
        picture[None], size=(side, side), mode="bicubic", align_corners=False, antialias=True
    )[0].clamp(-1, 1)


def _label(name: str, degrees: tuple[int, ...]) -> str:
    return f"{name}\n{degrees[0]}° … {degrees[-1]}°"
