"""People with known 3D, each seen from several cameras: what a lift is judged on."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera

from .metrics import Observation


@dataclass(frozen=True)
class SeenPeople:
    """The truth about some people; their views lie one after another, the first of each is what a student is given.

    Attributes:
        world: what they are people of: "puppets" or "teacher".
        people: their numbers in that world.
        views: how many each has.
        truth: pictures, depth and opacity, `people · views` of them.
        camera: what took them.
    """

    world: str
    people: tuple[int, ...]
    views: int
    truth: Observation
    camera: Camera

    def __post_init__(self) -> None:
        expected = len(self.people) * self.views
        if not len(self.camera) == len(self.truth.image) == expected:
            raise ValueError(
                f"{len(self.people)} people with {self.views} views make {expected} pictures; "
                f"got {len(self.truth.image)} and {len(self.camera)} cameras"
            )

    def of(self, row: int) -> slice:
        """Where the views of the person in a row lie."""
        return slice(row * self.views, (row + 1) * self.views)

    @property
    def yaw_deg(self) -> Float[Tensor, " picture"]:
        """Where the cameras stand, degrees."""
        position = self.camera.cam_to_world[:, :3, 3]
        return torch.atan2(position[:, 0], position[:, 2]).rad2deg()

    @property
    def pitch_deg(self) -> Float[Tensor, " picture"]:
        """How far above eye height they stand, degrees."""
        position = self.camera.cam_to_world[:, :3, 3]
        return torch.asin(position[:, 1] / position.norm(dim=-1)).rad2deg()

    @property
    def gap_deg(self) -> Float[Tensor, " picture"]:
        """Difference in yaw between each picture and the one that was given; 0 for that itself."""
        yaw = self.yaw_deg.reshape(-1, self.views)
        return (yaw - yaw[:, :1]).abs().flatten()
