"""Turning heads with truth: films whose hidden side is known, for training and judging fusion."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from teachers.rendering.camera import Camera
from teachers.rendering.visibility import visible_from

from .draws import FactorDraws
from .opening import open_world
from .splits import Split, WorldSeeds


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
    """

    images: Float[Tensor, "frame 3 height width"]
    camera: Camera
    depth: Float[Tensor, "frame 1 height width"]
    opacity: Float[Tensor, "frame 1 height width"]
    targets: Float[Tensor, "frame view 3 height width"]
    target_camera: Camera
    is_hidden: Bool[Tensor, "frame view 1 height width"]
    is_head: Bool[Tensor, "frame view 1 height width"]


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
        supersampling: each pixel is the mean of this many squared samples.

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
    supersampling: int = 2

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
        views = (self.frames, self.views)
        return Turn(
            images=film.image(self.background),
            camera=camera,
            depth=film.depth,
            opacity=film.opacity,
            targets=seen.image(self.background).unflatten(0, views),
            target_camera=others,
            is_hidden=(is_head & ~is_seen).unflatten(0, views),
            is_head=is_head.unflatten(0, views),
        )

    def _rendered(self, world: Any, seeds: WorldSeeds, moments: list[int], camera: Camera) -> Any:
        if self.world == "puppets":
            from .puppets.sequences import render_moments as puppets

            return puppets(world, seeds, moments, camera, self.resolution, fps=self.fps)
        from .heads.sequences import render_moments as heads

        return heads(world, seeds, moments, camera, self.resolution, fps=self.fps)

    def _path(self, seed: int, pivot: tuple[float, float, float]) -> Camera:
        draws = FactorDraws([seed], "turn")
        furthest = math.radians(float(draws.uniform("yaw", self.least_yaw_deg, self.most_yaw_deg)))
        side = 1.0 if float(draws.uniform("side", 0.0, 1.0)) < 0.5 else -1.0
        pitch = float(draws.uniform("pitch", -0.15, 0.15))
        phase = torch.linspace(0, 2 * math.pi, self.frames)
        return Camera.orbit(
            side * furthest * phase.sin(), torch.full((self.frames,), pitch), pivot=pivot
        )

    def _others(self, seed: int, pivot: tuple[float, float, float]) -> Camera:
        yaws, pitches = torch.zeros(self.frames, self.views), torch.zeros(self.frames, self.views)
        for frame in range(self.frames):
            for view in range(1, self.views):
                draws = FactorDraws([seed], f"turn target {frame} {view}")
                limit = math.radians(self.most_yaw_deg)
                yaws[frame, view] = float(draws.uniform("yaw", -limit, limit))
                pitches[frame, view] = float(draws.uniform("pitch", -0.3, 0.3))
        return Camera.orbit(yaws.flatten(), pitches.flatten(), pivot=pivot)
