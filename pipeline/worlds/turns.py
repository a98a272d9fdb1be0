"""Turning heads with truth: films whose hidden side is known, for training and judging fusion."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.camera import Camera
from teachers.rendering.visibility import visible_from

from .draws import FactorDraws
from .heads.part import Part
from .opening import open_world
from .splits import Split, WorldSeeds
from .views import WorldViews

FEATURES = (Part.EYE, Part.MOUTH, Part.TEETH, Part.LASHES)
"""What an expression moves; the first two are the puppets' as well."""

AROUND = 2 / 64
"""As far about each of their pixels others count with it, in sides of the picture."""

PAINT_RADIUS = 0.055
"""Of the paint on a cheek, world units."""

PAINT = (0.1, 0.1, 0.9)
"""Its colour; blue is no face's."""


@dataclass(frozen=True)
class Turn:
    """A film of one identity that speaks and turns the head.

    Attributes:
        images: the film, in [-1, 1].
        camera: that took each frame.
        depth, opacity: of the frames.
        targets: the same moments from other cameras, in [-1, 1].
        target_camera: of all frames' views, one frame after another.
        is_hidden: which pixels of the targets show a surface that the frame's own camera doesn't
            see.
        is_head: which pixels of the targets show the identity.
        is_feature: … eyes or mouth, or what is near them.
        is_painted: … the paint on the cheek; nothing is painted unless the source paints.
    """

    images: Float[Tensor, "frame 3 height width"]
    camera: Camera
    depth: Float[Tensor, "frame 1 height width"]
    opacity: Float[Tensor, "frame 1 height width"]
    targets: Float[Tensor, "frame view 3 height width"]
    target_camera: Camera
    is_hidden: Bool[Tensor, "frame view 1 height width"]
    is_head: Bool[Tensor, "frame view 1 height width"]
    is_feature: Bool[Tensor, "frame view 1 height width"]
    is_painted: Bool[Tensor, "frame view 1 height width"]

    def to(self, device: torch.device) -> "Turn":
        """On a device."""
        return Turn(**{name: value.to(device) for name, value in vars(self).items()})

    def yaws(self) -> Float[Tensor, " frame"]:
        """Of the film's cameras about the head's axis, radians."""
        x, _, z = self.camera.cam_to_world[:, :3, 3].unbind(1)
        return torch.atan2(x, z)


@dataclass(frozen=True, kw_only=True)
class TurnSource:
    """Number → `Turn`: the same each time, and no identity of another split.

    The head starts from the front, turns to one side by a drawn angle and back, then to the other;
    expressions are those of the world's sequences. Every moment is also seen from the front and
    from `views - 1` drawn cameras.

    Attributes:
        world: its name (`opening.WORLDS`).
        split: whose identities.
        frames: of a film.
        resolution: side of all pictures.
        views: target cameras of a frame.
        fps: frames a second.
        least_yaw_deg, most_yaw_deg: between which the largest turn is drawn.
        background: grey level in [0, 1] behind the head.
        focal: of all cameras, in sides of the picture.
        camera_radius: their distance to the origin, world units.
        supersampling: each pixel is the mean of this many squared samples.
        paints: whether there is paint on one cheek.

    Raises:
        ValueError: no frame or view, or angles out of order.
    """

    world: str = "puppets"
    split: Split = Split.TRAIN
    frames: int = 8
    resolution: int = 64
    views: int = 2
    fps: float | int = 6.0
    least_yaw_deg: float | int = 35.0
    most_yaw_deg: float | int = 55.0
    background: float = 1.0
    focal: float = 4.2647
    camera_radius: float = 2.7
    supersampling: int = 2
    paints: bool = False

    def __post_init__(self) -> None:
        if self.frames < 1 or self.views < 1 or not 0 <= self.least_yaw_deg <= self.most_yaw_deg:
            raise ValueError(
                f"{self.frames} frames, {self.views} views, yaw {self.least_yaw_deg} to"
                f" {self.most_yaw_deg}: give at least one of each, and angles in order"
            )

    def __call__(self, number: int) -> Turn:
        """The film of one identity, counted from 0 in the split."""
        seeds = WorldSeeds.of(self.split, [number])
        world = open_world(self.world, supersampling=self.supersampling)
        camera = self._path(seeds.identity[0], world.pivot)
        others = self._others(seeds.identity[0], world.pivot)
        moments = list(range(self.frames))
        cheek = self._cheek(world, seeds)
        film = self._rendered(world, seeds, moments, camera)
        repeated = [moment for moment in moments for _ in range(self.views)]
        seen = self._rendered(world, seeds, repeated, others)
        is_head = seen.opacity > 0.5
        points = others.rays(self.resolution).at(seen.depth.flatten(1)[..., None])[:, :, 0]
        own = Camera(
            camera.cam_to_world.repeat_interleave(self.views, 0),
            camera.intrinsics.repeat_interleave(self.views, 0),
        )
        depth, opacity = (
            values.repeat_interleave(self.views, 0) for values in (film.depth, film.opacity)
        )
        is_seen = visible_from(points, own, depth, opacity).reshape(is_head.shape)
        is_feature = torch.isin(seen.part, torch.tensor(FEATURES)).float()
        margin = round(AROUND * self.resolution)
        is_feature = F.max_pool2d(is_feature, 2 * margin + 1, stride=1, padding=margin) > 0
        paint, paint_seen = (_paint(views, cheek) for views in (film, seen))
        views = (self.frames, self.views)
        return Turn(
            images=_painted(film.image(self.background), paint),
            camera=camera,
            depth=film.depth,
            opacity=film.opacity,
            targets=_painted(seen.image(self.background), paint_seen).unflatten(0, views),
            target_camera=others,
            is_hidden=(is_head & ~is_seen).unflatten(0, views),
            is_head=is_head.unflatten(0, views),
            is_feature=is_feature.unflatten(0, views),
            is_painted=(paint_seen > 0.5).unflatten(0, views),
        )

    def _cheek(self, world: Any, seeds: WorldSeeds) -> Float[Tensor, "3"] | None:
        """Where the paint is: what a camera at 35° sees below the middle; None: nowhere."""
        if not self.paints:
            return None
        camera = self._camera(torch.tensor([0.6]), torch.tensor([0.0]), world.pivot)
        depth = self._rendered(world, seeds, [0], camera).depth
        points = camera.rays(self.resolution).at(depth.flatten(1)[..., None])[0, :, 0]
        row, column = round(0.56 * self.resolution), self.resolution // 2
        return points[row * self.resolution + column]

    def _rendered(self, world: Any, seeds: WorldSeeds, moments: list[int], camera: Camera) -> Any:
        if self.world == "puppets":
            from .puppets.sequences import render_moments as puppets

            return puppets(world, seeds, moments, camera, self.resolution, fps=self.fps)
        from .heads.sequences import render_moments as heads

        return heads(world, seeds, moments, camera, self.resolution, fps=self.fps)

    def _path(self, seed: int, pivot: tuple[float, float, float]) -> Camera:
        draws = FactorDraws([seed], "turn")
        angles = float(self.least_yaw_deg), float(self.most_yaw_deg)
        furthest = math.radians(float(draws.uniform("yaw", *angles)))
        side = 1.0 if float(draws.uniform("side", 0.0, 1.0)) < 0.5 else -1.0
        pitch = float(draws.uniform("pitch", -0.15, 0.15))
        phase = torch.linspace(0, 2 * math.pi, self.frames)
        return self._camera(side * furthest * phase.sin(), torch.full((self.frames,), pitch), pivot)

    def _others(self, seed: int, pivot: tuple[float, float, float]) -> Camera:
        yaws, pitches = torch.zeros(self.frames, self.views), torch.zeros(self.frames, self.views)
        for frame in range(self.frames):
            for view in range(1, self.views):
                draws = FactorDraws([seed], f"turn target {frame} {view}")
                limit = math.radians(self.most_yaw_deg)
                yaws[frame, view] = float(draws.uniform("yaw", -limit, limit))
                pitches[frame, view] = float(draws.uniform("pitch", -0.3, 0.3))
        return self._camera(yaws.flatten(), pitches.flatten(), pivot)

    def _camera(
        self,
        yaw: Float[Tensor, " batch"],
        pitch: Float[Tensor, " batch"],
        pivot: tuple[float, float, float],
    ) -> Camera:
        return Camera.orbit(yaw, pitch, radius=self.camera_radius, pivot=pivot, focal=self.focal)


def _paint(
    views: WorldViews, cheek: Float[Tensor, "3"] | None
) -> Float[Tensor, "batch 1 height width"]:
    """Its share of each pixel, with a soft edge."""
    if cheek is None:
        return torch.zeros_like(views.opacity)
    side = views.depth.shape[-1]
    points = views.camera.rays(side).at(views.depth.flatten(1)[..., None])[:, :, 0]
    distance = (points - cheek).norm(dim=-1).reshape(views.depth.shape)
    return ((PAINT_RADIUS - distance) / 0.01 + 0.5).clamp(0, 1) * views.opacity


def _painted(
    image: Float[Tensor, "batch 3 height width"], paint: Float[Tensor, "batch 1 height width"]
) -> Float[Tensor, "batch 3 height width"]:
    colour = (2 * torch.tensor(PAINT) - 1)[:, None, None]
    return paint * colour + (1 - paint) * image
