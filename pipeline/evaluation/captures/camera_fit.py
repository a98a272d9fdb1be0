"""The camera of a photograph without landmarks: the one at which its lift is most similar to it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from pipeline.inference.camera_paths import orbit_of
from pipeline.inference.reconstructor import LiftedPortrait
from teachers.rendering.camera import Camera, rotation
from teachers.rendering.renderer import Renderer, TriplaneRenderer

from .least_squares import minimise

SIDE = 32
"""Images are compared at this side and at a quarter of it: small images guide large steps."""

YAWS_DEG, PITCHES_DEG = tuple(range(-50, 51, 10)), (-15, 5)
"""Initial directions of the search."""

STARTS = 3
"""Number of the best directions that are refined: the difference has several local minima."""

COARSE, FINE = 0.05, 0.02
"""Step of the finite differences, in the coarse and in the fine search."""


@dataclass(frozen=True)
class CameraFit:
    """The result of a search.

    Attributes:
        camera: one, in the frame of the planes, on the CPU.
        error: root mean square difference of the small images in [-1, 1].
    """

    camera: Camera
    error: float


@torch.no_grad()
def fit_camera(
    portrait: LiftedPortrait,
    image: Float[Tensor, "3 height width"],
    *,
    start: Camera | None = None,
    intrinsics: Float[Tensor, "1 3 3"] | None = None,
    rounds: int = 8,
) -> CameraFit:
    """Minimises the difference between the rendered lift and the image over six parameters of the
    camera, three of them a rotation.

    Args:
        portrait: the lift of the image.
        image: in [-1, 1], on any device.
        start: initial camera; None: the portrait's own (an inversion has one), or the best of
            several directions around the front.
        intrinsics: of the image's camera; None: those of the start, or the teacher's.
        rounds: of the search; each renders about fifteen images.
    """
    image = image.cpu()  # cameras are fitted there, in double precision
    wanted = _pyramid(image[None])
    rough, careful = (_small(portrait.lifter.renderer, side) for side in (SIDE, 2 * SIDE))

    def difference(camera: Camera, renderer: Renderer) -> Tensor:
        seen = renderer(portrait.triplane, camera.to(portrait.triplane.planes)).image
        return _pyramid(seen.float().clamp(-1, 1).to(image)) - wanted

    def search(start: Camera, renderer: Renderer, step: float, rounds: int) -> Camera:
        moves = torch.zeros(6, dtype=torch.float64)
        return moved(
            start,
            minimise(
                lambda moves: difference(moved(start, moves), renderer),
                moves,
                step=step,
                rounds=rounds,
            ),
        )

    def error(camera: Camera, renderer: Renderer = rough) -> float:
        return difference(camera, renderer).norm().item()

    start = start or getattr(portrait, "camera", None)
    if start is None:
        seen = [
            _with(intrinsics, _orbit(portrait, yaw, pitch))
            for yaw in YAWS_DEG
            for pitch in PITCHES_DEG
        ]
        followed = [
            search(camera, rough, COARSE, (rounds + 1) // 2)
            for camera in sorted(seen, key=error)[:STARTS]
        ]
        start = min(followed, key=error)
    camera = search(_with(intrinsics, start.to(torch.device("cpu"))), careful, FINE, rounds)
    return CameraFit(camera, error(camera, careful))


def moved(camera: Camera, moves: Float[Tensor, " 6"]) -> Camera:
    """A camera rotated about the world's origin (rotation vector, radians), shifted in its image
    plane (shares of its distance), and moved away (logarithm of the distance's factor).
    """
    turn = rotation(moves[:3].double()).to(camera.cam_to_world)
    cam_to_world = camera.cam_to_world.clone()
    right, down, position = cam_to_world[:, :3, 0], cam_to_world[:, :3, 1], cam_to_world[:, :3, 3]
    across, along, away = (moves[3:].to(position) * 0.3).unbind()
    position = (
        position + position.norm(dim=-1, keepdim=True) * (across * right + along * down)
    ) * away.exp()
    cam_to_world[:, :3, 3] = position
    cam_to_world[:, :3] = turn @ cam_to_world[:, :3]
    return Camera(cam_to_world, camera.intrinsics)


def _small(renderer: Renderer, side: int) -> Renderer:
    """The same without super-resolution and with few rays, where it can be changed."""
    if not isinstance(renderer, TriplaneRenderer):
        return renderer
    return renderer.changed(resolution=min(renderer.resolution, side), super_resolution=False)


def _orbit(portrait: LiftedPortrait, yaw_deg: int | float, pitch_deg: int | float) -> Camera:
    return orbit_of(portrait.passport, [math.radians(yaw_deg)], [math.radians(pitch_deg)])


def _with(intrinsics: Tensor | None, camera: Camera) -> Camera:
    return (
        camera
        if intrinsics is None
        else Camera(camera.cam_to_world, intrinsics.to(camera.intrinsics))
    )


def _pyramid(
    image: Float[Tensor, "1 3 height width"], sides: Sequence[int] = (SIDE, SIDE // 4)
) -> Float[Tensor, " value"]:
    """The image at several sizes, equally weighted: the norm of a difference is its root mean
    square.
    """
    levels = [F.adaptive_avg_pool2d(image, side).flatten() for side in sides]
    return torch.cat([level / (len(level) * len(levels)) ** 0.5 for level in levels])
