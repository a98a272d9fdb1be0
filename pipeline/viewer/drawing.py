"""One frame of a head for the page: what the sliders say → JPEG or PNG."""

import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image

from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.inference.sheet import depth_colours, normal_colours
from pipeline.pictures import to_uint8
from teachers.rendering.camera import Camera
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import Rendering

SHOWN = ("image", "depth", "normals")
LIMITS = {
    "yaw_deg": (-90.0, 90.0),
    "pitch_deg": (-60.0, 60.0),
    "fov_deg": (6.0, 40.0),
    "distance": (0.7, 3.0),
}
"""Of the sliders: angles in degrees (`fov_deg`: the whole field of view of the image's side), and
the distance from the origin in those of the teacher's cameras.
"""
STILL_RAYS = 192
"""Side of a still frame of teachers without super-resolution: planes hold more than their small
images show. Nine times the rays of 64².
"""


@dataclass(frozen=True)
class View:
    """What a page wants to see; each number lies in `LIMITS`."""

    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    fov_deg: float | None = None
    distance: float = 1.0
    shown: str = "image"
    moving: bool = False

    @classmethod
    def of(cls, message: dict[str, Any]) -> "View":
        """From a page's JSON; numbers beyond `LIMITS` are clamped.

        Raises:
            ValueError: a number is none, or something else than `SHOWN` is to be shown.
        """
        shown = message.get("shown", "image")
        if shown not in SHOWN:
            raise ValueError(f"shown is {shown!r}: ask for {', '.join(SHOWN)}")
        numbers = {name: _clamped(name, message[name]) for name in LIMITS if name in message}
        return cls(**numbers, shown=shown, moving=bool(message.get("moving", False)))


def _clamped(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}: give a number")
    low, high = LIMITS[name]
    return float(min(max(value, low), high))


def camera_of(portrait: LiftedPortrait, view: View) -> Camera:
    """The camera of a view, about the teacher's pivot."""
    passport = portrait.passport
    focal = passport.focal
    if view.fov_deg is not None:
        focal = 0.5 / math.tan(math.radians(view.fov_deg) / 2)
    angles = (torch.tensor([math.radians(angle)]) for angle in (view.yaw_deg, view.pitch_deg))
    return Camera.orbit(
        *angles,
        radius=passport.camera_radius * view.distance,
        pivot=passport.camera_pivot,
        focal=focal,
    )


@torch.no_grad()
def draw(portrait: LiftedPortrait, view: View) -> UInt8[np.ndarray, "height width 3"]:
    """The frame as 8-bit RGB. While the camera moves, at the teacher's own number of rays; still
    frames of teachers without super-resolution have `STILL_RAYS`.
    """
    camera = camera_of(portrait, view).to(portrait.triplane.planes)
    rendering = _rendered(portrait, view, camera)
    if view.shown == "depth":
        return to_uint8(depth_colours(rendering)[0])
    if view.shown == "normals":
        return to_uint8(normal_colours(rendering, camera)[0])
    return to_uint8(rendering.image[0])


def _rendered(portrait: LiftedPortrait, view: View, camera: Camera) -> Rendering:
    renderer = portrait.lifter.renderer
    if not isinstance(renderer, TriplaneRenderer):  # somebody's own: as it comes
        return portrait.render(camera)
    sampling = renderer.sampling
    limits: dict[str, Any] = {}
    if sampling.near is not None and sampling.far is not None:
        # the limits are distances from the camera: they move with it
        nearer = portrait.passport.camera_radius * (1 - view.distance)
        limits = {"near": max(sampling.near - nearer, 0.05), "far": sampling.far - nearer}
    rays = None
    if renderer.super_resolution is None and not view.moving:
        rays = max(renderer.resolution, STILL_RAYS)
    changed = renderer.changed(resolution=rays, **limits)
    return changed(portrait.triplane, camera)


def encoded(pixels: UInt8[np.ndarray, "height width 3"], kind: str = "JPEG") -> bytes:
    """A picture's file."""
    buffer = io.BytesIO()
    options = {"quality": 90} if kind == "JPEG" else {}
    Image.fromarray(pixels).save(buffer, format=kind, **options)
    return buffer.getvalue()
