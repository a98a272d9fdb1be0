"""Pictures of a lifted identity: the sheet of new views, depth, the turntable's frames."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from pipeline.pictures import depth_picture, normal_picture, tile, to_uint8
from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering

from .camera_paths import orbit_of
from .reconstructor import LiftedPortrait

YAWS_DEG = (-40, -20, 0, 20, 40)
PITCHES_DEG = (-20, 0, 20)
CELL = 128
"""Pictures smaller than this are enlarged: 64 pixels can't be judged on a screen."""
OPAQUE = 0.5


def view_sheet(
    portrait: LiftedPortrait, photograph: Float[Tensor, "3 height width"]
) -> Float[Tensor, "3 sheet_height sheet_width"]:
    """What the student saw and made of it: input, frontal view, depth and normals; five yaws; three
    pitches.
    """
    camera = orbit_of(portrait.passport, [0.0], [0.0])
    frontal = portrait.render(camera)
    first = [
        photograph,
        frontal.image[0],
        depth_colours(frontal)[0],
        normal_colours(frontal, camera)[0],
    ]
    yaws = portrait.render(orbit_of(portrait.passport, _radians(YAWS_DEG), [0.0] * len(YAWS_DEG)))
    pitches = portrait.render(
        orbit_of(portrait.passport, [0.0] * len(PITCHES_DEG), _radians(PITCHES_DEG))
    )
    side = max(CELL, frontal.image.shape[-1])
    rows = [
        [_enlarged(picture, side) for picture in row]
        for row in (first, list(yaws.image), list(pitches.image))
    ]
    labels = [
        "input · frontal\ndepth · normals",
        _label("yaw", YAWS_DEG),
        _label("pitch", PITCHES_DEG),
    ]
    return tile(rows, 4, row_labels=labels)


def depth_colours(rendering: Rendering) -> Float[Tensor, "batch 3 height width"]:
    """Depth in colours between the nearest and the farthest opaque point; black where nothing is."""
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
    """Normals in colours, black where nothing is."""
    colours = normal_picture(rendering.depth, camera.to(rendering.depth))
    return torch.where(
        rendering.opacity > OPAQUE, colours, torch.full_like(colours, -1.0)
    ).nan_to_num(-1.0)


def film_frames(
    portrait: LiftedPortrait, cameras: Camera
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The pictures of a film one by one, enlarged to at least 256 pixels, with even sides."""
    for frame in range(len(cameras)):
        image = portrait.render(cameras[frame : frame + 1]).image[0]
        side = max(2 * CELL, image.shape[-1] + image.shape[-1] % 2)
        yield to_uint8(_enlarged(image, side))


def _enlarged(picture: Float[Tensor, "3 height width"], side: int) -> Float[Tensor, "3 side side"]:
    """Brought to a side with smooth edges; as it is where it has that side already."""
    picture = picture.detach().float().cpu()
    if picture.shape[1:] == (side, side):
        return picture
    return F.interpolate(
        picture[None], size=(side, side), mode="bicubic", align_corners=False, antialias=True
    )[0].clamp(-1, 1)


def _radians(degrees: tuple[int, ...]) -> list[float]:
    return [math.radians(angle) for angle in degrees]


def _label(name: str, degrees: tuple[int, ...]) -> str:
    return f"{name}\n{degrees[0]}° … {degrees[-1]}°"
