"""A plug-in camera prior: five places on an arc."""

import math
from collections.abc import Sequence

import torch

from pipeline.sampling.random_streams import stream
from teachers.rendering.camera import Camera


class ArcPrior:
    def __init__(self, *, reach_deg: float) -> None:
        self.reach = math.radians(reach_deg)

    def draw(self, seed: int, samples: Sequence[int], purpose: str) -> Camera:
        places = [int(stream(seed, n, f"{purpose}/place").integers(-2, 3)) for n in samples]
        yaw = torch.tensor([place * self.reach / 2 for place in places])
        return Camera.orbit(yaw, torch.zeros_like(yaw))
