"""A contact sheet of a world: a row of views for each identity."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.pictures import tile
from teachers.rendering.camera import Camera

from .splits import WorldSeeds
from .world import World

GAP = 2
"""Pixels between pictures and around the sheet."""


def world_sheet(
    world: World,
    seeds: WorldSeeds,
    *,
    yaws: tuple[float, ...] = (-0.5, 0.0, 0.5),
    pitch: float = 0.08,
    resolution: int = 128,
) -> Float[Tensor, "3 height width"]:
    """Images in [-1, 1] of every identity (rows) from every yaw (columns, radians).

    They show the identities' own backdrops.
    """
    rows = []
    for identity in range(len(seeds)):
        cameras = [
            Camera.orbit(torch.tensor([yaw]), torch.tensor([pitch]), pivot=world.pivot)
            for yaw in yaws
        ]
        rows.append(
            [
                world.render(seeds[identity : identity + 1], camera, resolution).image()[0]
                for camera in cameras
            ]
        )
    return tile(rows, GAP)
