"""A square crop of a calibrated photograph around a head, with its camera."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from teachers.rendering.camera import Camera


@dataclass(frozen=True)
class PixelCamera:
    """A photograph's camera: `matrix` is the 3x3 intrinsic matrix in pixels, `cam_to_world` has
    OpenCV's axes.
    """

    matrix: Float[Tensor, "3 3"]
    cam_to_world: Float[Tensor, "4 4"]

    @classmethod
    def of_projection(cls, projection: Float[np.ndarray, "3 4"]) -> "PixelCamera":
        """From a 3x4 projection matrix, world points to pixels, by RQ decomposition (Hartley and
        Zisserman 2004, section 6.2.4).

        Raises:
            ValueError: the matrix is singular: no camera at a finite place.
        """
        left = torch.from_numpy(np.asarray(projection, np.float64))
        if abs(float(torch.linalg.det(left[:, :3]))) < 1e-12:
            raise ValueError("a projection matrix is singular: no camera at a finite place")
        flip = torch.eye(3, dtype=torch.float64).flip(0)
        orthogonal, upper = torch.linalg.qr((flip @ left[:, :3]).mT)
        matrix, rotation = flip @ upper.mT @ flip, flip @ orthogonal.mT
        signs = torch.diag(matrix.diagonal().sign())
        matrix, rotation = matrix @ signs, signs @ rotation
        if (
            torch.linalg.det(rotation) < 0
        ):  # projections are known up to a factor, which may be negative
            rotation = -rotation
        cam_to_world = torch.eye(4, dtype=torch.float64)
        cam_to_world[:3, :3] = rotation.mT
        cam_to_world[:3, 3] = -torch.linalg.solve(left[:, :3], left[:, 3])
        return cls(matrix / matrix[2, 2], cam_to_world)


@dataclass(frozen=True)
class Square:
    """A square of whole pixels, which may exceed the photograph."""

    left: int
    top: int
    size: int

    @classmethod
    def about(cls, camera: PixelCamera, centre: Float[Tensor, " 3"], width: float) -> "Square":
        """The square centred at a world point with a side of `width` world units at its distance.

        Raises:
            ValueError: the point is behind the camera.
        """
        local = camera.cam_to_world[:3, :3].mT @ (centre.double() - camera.cam_to_world[:3, 3])
        if not local[2] > 0:
            raise ValueError(
                "the head is behind a camera of the capture: its axes are not OpenCV's (x right, y"
                " down, z forward)"
            )
        x, y = ((camera.matrix @ local)[:2] / local[2]).tolist()
        size = max(8, round(width * camera.matrix[0, 0].item() / local[2].item()))
        return cls(round(x - size / 2), round(y - size / 2), size)

    def camera(self, camera: PixelCamera) -> Camera:
        """The camera of the square: intrinsics divided by its size."""
        matrix = camera.matrix.clone()
        matrix[0, 2] -= self.left
        matrix[1, 2] -= self.top
        matrix[:2] /= self.size
        return Camera(camera.cam_to_world[None].float(), matrix[None].float())

    def cut(
        self, values: Float[Tensor, "channel height width"], side: int, *, is_mixed: bool = True
    ) -> Float[Tensor, "channel side side"]:
        """The square at another size; the border is repeated outside. `is_mixed`: pixels may be
        averaged (depths may not).
        """
        height, width = values.shape[-2:]
        rows = torch.arange(self.top, self.top + self.size).clamp(0, height - 1)
        columns = torch.arange(self.left, self.left + self.size).clamp(0, width - 1)
        cut = values[:, rows][:, :, columns][None]
        if is_mixed:
            return F.interpolate(
                cut, size=(side, side), mode="bilinear", align_corners=False, antialias=True
            )[0]
        return F.interpolate(cut, size=(side, side), mode="nearest-exact")[0]


def distance_of_z(
    depth: Float[Tensor, "1 height width"], camera: Camera
) -> Float[Tensor, "1 height width"]:
    """Distances from the camera's centre, from depths along its optical axis."""
    side = depth.shape[-1]
    forward = camera.cam_to_world[:, :3, 2]
    cosine = (camera.rays(side).directions * forward[:, None]).sum(-1).reshape(1, side, side)
    return depth / cosine


def depth_of_points(
    points: Float[Tensor, "point 3"], camera: Camera, side: int
) -> Float[Tensor, "1 side side"]:
    """The distance from the camera's centre to the nearest surface point in each pixel; 0 without
    one.
    """
    positions, distances = camera.project(points[None].float())
    pixels = (positions[0] * side).floor().long()
    ahead = ((points.float() - camera.cam_to_world[0, :3, 3]) @ camera.cam_to_world[0, :3, 2]) > 0
    inside = ahead & ((pixels >= 0) & (pixels < side)).all(-1)
    index = pixels[inside, 1] * side + pixels[inside, 0]
    nearest = torch.full((side * side,), math.inf).scatter_reduce(
        0, index, distances[0, inside], "amin"
    )
    return torch.where(nearest.isfinite(), nearest, 0.0).reshape(1, side, side)
