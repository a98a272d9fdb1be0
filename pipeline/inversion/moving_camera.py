"""The camera of a photograph: given, or optimised together with the identity.

Ko et al. 2023, 3D GAN Inversion with Pose Optimization.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pipeline.inference.camera_paths import orbit_of
from teachers.passport import Passport
from teachers.rendering.camera import Camera, rotation

from .descent import Course, Moved, Schedule, descend


@dataclass(frozen=True, kw_only=True)
class CameraSearch:
    """Whether and how the camera is optimised.

    Attributes:
        mode: "given": fixed (the frontal camera if none is given); "optimised": optimised from the
            given one; "auto": fixed if one is given, otherwise optimised.
        rotation_rate: learning rate of the rotation about the origin, radians (Ko et al.: 7e-3).
        translation_rate: learning rate of the shift along the camera's axes, world units (Ko et
            al.: 2e-4).
        preheat: steps in which the camera alone is optimised, before the rest (Ko et al.: 50).
        yaws_deg, pitches_deg: a grid of cameras; the best of them initialises an unknown camera.

    Raises:
        ValueError: an unknown mode, negative steps, or an empty grid.
    """

    mode: str = "auto"
    rotation_rate: float | int = 7e-3
    translation_rate: float | int = 2e-4
    preheat: int = 50
    yaws_deg: Sequence[float | int] = (-40, -20, 0, 20, 40)
    pitches_deg: Sequence[float | int] = (-15, 0, 15)

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "given", "optimised"):
            raise ValueError(f"camera.mode is {self.mode!r}: use auto, given or optimised")
        if self.preheat < 0 or not self.yaws_deg or not self.pitches_deg:
            raise ValueError(
                f"{dataclasses.asdict(self)}: preheat is 0 or more, and at least one yaw and one"
                " pitch are tried"
            )

    def moves(self, given: Camera | None) -> bool:
        """Whether the camera is optimised."""
        return self.mode == "optimised" or (self.mode == "auto" and given is None)

    def begin(
        self,
        given: Camera | None,
        passport: Passport,
        distance: Callable[[Camera], Tensor],
        *,
        like: Tensor,
        title: str,
        progress: bool,
    ) -> "tuple[MovingCamera, tuple[Course, ...]]":
        """The initial camera, and the course of its own descent, if there was one.

        The given camera; otherwise the best of the grid, or the frontal one if it is fixed.

        Args:
            given: the camera that took the photograph; None: unknown.
            passport: of the teacher: radius, pivot and focal length of the grid's cameras.
            distance: camera → loss between the initial identity's rendering and the photograph.
            like: gives device and dtype.
            title, progress: of the progress bar.
        """
        start = self._first(given, passport, lambda camera: distance(camera.to(like))).to(like)
        moving = MovingCamera(start, self, moves=self.moves(given))
        if not moving.moves or not self.preheat:
            return moving, ()

        def losses(step: int) -> tuple[Tensor, Tensor]:
            value = distance(moving())
            return value, value

        schedule = Schedule(steps=self.preheat, warm_up=0, cool_down=0)
        return moving, (
            descend(moving.moved(), losses, schedule, title=f"{title}, camera", progress=progress),
        )

    def _first(
        self, given: Camera | None, passport: Passport, distance: Callable[[Camera], Tensor]
    ) -> Camera:
        if given is not None:
            return given[:1]
        if not self.moves(given):
            return orbit_of(passport, [0.0], [0.0])
        pairs = (
            torch.tensor([[yaw, pitch] for yaw in self.yaws_deg for pitch in self.pitches_deg])
            .float()
            .deg2rad()
        )
        cameras = orbit_of(passport, pairs[:, 0].tolist(), pairs[:, 1].tolist())
        with torch.no_grad():
            distances = torch.stack(
                [distance(cameras[row : row + 1]) for row in range(len(cameras))]
            )
        # A camera with a loss that isn't finite is never the best.
        best = int(distances.nan_to_num(nan=float("inf")).argmin())
        return cameras[best : best + 1]


class MovingCamera(nn.Module):
    """A camera with a learnable rigid motion R(ω) C T(t): a rotation about the world's origin and a
    shift along the camera's own axes.

    Args:
        start: the camera C at ω = t = 0.
        search: learning rates.
        moves: whether ω and t are learnable.
    """

    def __init__(self, start: Camera, search: CameraSearch, *, moves: bool) -> None:
        super().__init__()
        self.start, self.search, self.moves = start, search, moves
        self.rotation = nn.Parameter(start.cam_to_world.new_zeros(3), requires_grad=moves)
        self.translation = nn.Parameter(start.cam_to_world.new_zeros(3), requires_grad=moves)

    def forward(self) -> Camera:
        """The present camera, differentiable in rotation and translation if they are learnable."""
        if not self.moves:
            return self.start
        return Camera(
            rotation_about_origin(self.rotation)
            @ self.start.cam_to_world
            @ shift(self.translation),
            self.start.intrinsics,
        )

    def now(self) -> Camera:
        """The present camera, without gradients."""
        with torch.no_grad():
            return self()

    def moved(self) -> list[Moved]:
        """The parameters with their learning rates; none if the camera is fixed."""
        if not self.moves:
            return []
        return [
            Moved([self.rotation], self.search.rotation_rate),
            Moved([self.translation], self.search.translation_rate),
        ]


def rotation_about_origin(vector: Float[Tensor, "3"]) -> Float[Tensor, "4 4"]:
    """`rotation`, homogeneous."""
    matrix = torch.eye(4).to(vector)
    return torch.cat([torch.cat([rotation(vector), matrix[:3, 3:]], 1), matrix[3:]])


def shift(vector: Float[Tensor, "3"]) -> Float[Tensor, "4 4"]:
    """The translation by a vector, in homogeneous coordinates."""
    matrix = torch.eye(4).to(vector)
    return torch.cat([torch.cat([matrix[:3, :3], vector[:, None]], 1), matrix[3:]])
