"""The camera, and the one place where the project's conventions are stated.

* Camera axes are OpenCV's: x right, y down, z forward into the scene. Matrices are camera-to-world.
* World: y up; the canonical face looks along +z, so the frontal camera sits at (0, 0, radius) and
  +x is on the right of its image.
* Intrinsics are divided by the image size: focal in image widths, principal point (0.5, 0.5) in the
  middle.
* Pixel centres sit at (i + 0.5) / size, the origin is the top left corner, rays are listed row by
  row.
* Ray directions have unit length, so every depth is a Euclidean distance from the camera centre.
* Angles are radians.

EG3D's 25-number label (16 camera-to-world, 9 intrinsics, both row-major) is `Camera.label`.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Rays:
    """Rays in world space: `origins` and unit `directions`, both `[batch ray 3]`."""

    origins: Float[Tensor, "batch ray 3"]
    directions: Float[Tensor, "batch ray 3"]

    def at(self, depths: Float[Tensor, "batch ray sample"]) -> Float[Tensor, "batch ray sample 3"]:
        """Points at the given distances along the rays."""
        return self.origins[:, :, None] + self.directions[:, :, None] * depths[..., None]

    def __getitem__(self, rays: slice | Tensor) -> "Rays":
        return Rays(self.origins[:, rays], self.directions[:, rays])


@dataclass(frozen=True)
class Camera:
    """A batch of pinhole cameras (see the conventions of this module).

    Attributes:
        cam_to_world: rigid matrices that take camera points to world points.
        intrinsics: 3x3 matrices normalised by the image size.
    """

    cam_to_world: Float[Tensor, "batch 4 4"]
    intrinsics: Float[Tensor, "batch 3 3"]

    @classmethod
    def orbit(
        cls,
        yaw: Float[Tensor, " batch"],
        pitch: Float[Tensor, " batch"],
        *,
        roll: Float[Tensor, " batch"] | float = 0.0,
        radius: Float[Tensor, " batch"] | float = 2.7,
        pivot: tuple[float, float, float] = (0.0, 0.0, 0.0),
        focal: Float[Tensor, " batch"] | float = 4.2647,
        principal_point: Float[Tensor, "batch 2"] | tuple[float, float] = (0.5, 0.5),
    ) -> "Camera":
        """A camera on the sphere of `radius` about the origin that looks at `pivot`.

        Positive yaw moves it to +x, positive pitch (a true elevation) up, positive roll turns the
        image clockwise.
        """
        position = torch.stack([yaw.sin() * pitch.cos(), pitch.sin(), yaw.cos() * pitch.cos()], -1)
        position = position * torch.as_tensor(radius).to(position).reshape(-1, 1)
        forward = F.normalize(torch.tensor(pivot).to(position) - position, dim=-1)
        right = F.normalize(
            torch.linalg.cross(
                forward, torch.tensor([0.0, 1.0, 0.0]).to(forward).expand_as(forward)
            ),
            dim=-1,
        )
        down = torch.linalg.cross(forward, right)
        angle = torch.as_tensor(roll).to(yaw).expand_as(yaw)[:, None]
        # The axes turn counterclockwise, hence the image clockwise.
        right, down = (
            right * angle.cos() - down * angle.sin(),
            right * angle.sin() + down * angle.cos(),
        )
        cam_to_world = torch.eye(4).to(position).repeat(len(yaw), 1, 1)
        cam_to_world[:, :3] = torch.stack([right, down, forward, position], -1)
        intrinsics = torch.eye(3).to(position).repeat(len(yaw), 1, 1)
        intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = torch.as_tensor(focal).to(position)
        intrinsics[:, :2, 2] = torch.as_tensor(principal_point).to(position)
        return cls(cam_to_world, intrinsics)

    @classmethod
    def from_label(cls, label: Float[Tensor, "batch 25"]) -> "Camera":
        """Reads EG3D's 25-number label."""
        return cls(label[:, :16].reshape(-1, 4, 4), label[:, 16:].reshape(-1, 3, 3))

    def label(self) -> Float[Tensor, "batch 25"]:
        """EG3D's 25-number label."""
        return torch.cat([self.cam_to_world.flatten(1), self.intrinsics.flatten(1)], 1)

    def rays(self, resolution: int) -> Rays:
        """One ray through the centre of each pixel of a square image, row by row.

        Skewed intrinsics are honoured.
        """
        centres = (
            torch.arange(resolution, device=self.intrinsics.device, dtype=self.intrinsics.dtype)
            + 0.5
        ) / resolution
        v, u = (grid.reshape(1, -1) for grid in torch.meshgrid(centres, centres, indexing="ij"))
        fx, skew, cx = (
            self.intrinsics[:, 0, 0:1],
            self.intrinsics[:, 0, 1:2],
            self.intrinsics[:, 0, 2:3],
        )
        fy, cy = self.intrinsics[:, 1, 1:2], self.intrinsics[:, 1, 2:3]
        # K is upper triangular: v gives y, then u gives x.
        y = (v - cy) / fy
        x = (u - cx - skew * y) / fx
        directions = torch.stack([x, y, torch.ones_like(x)], -1) @ self.cam_to_world[:, :3, :3].mT
        directions = F.normalize(directions, dim=-1)
        return Rays(self.cam_to_world[:, None, :3, 3].expand_as(directions), directions)

    def project(
        self, points: Float[Tensor, "batch point 3"]
    ) -> tuple[Float[Tensor, "batch point 2"], Float[Tensor, "batch point"]]:
        """Image positions in [0, 1] (u right, v down) and distances from the camera of points."""
        # Points are rows: multiplying by R from the right applies Rᵀ, the inverse rotation.
        local = (points - self.cam_to_world[:, None, :3, 3]) @ self.cam_to_world[:, :3, :3]
        image = local @ self.intrinsics.mT
        return image[..., :2] / image[..., 2:], local.norm(dim=-1)

    def mirrored(self) -> "Camera":
        """The camera whose image of the mirrored world (x → -x) is this one's image, mirrored."""
        # M' = F M F: the first F mirrors the world; the second turns the camera's x axis back, so
        # that M' is a rigid motion again. Its image is mirrored, and so are the principal point and
        # the skew.
        flip = torch.tensor([-1.0, 1.0, 1.0, 1.0]).to(self.cam_to_world)
        intrinsics = self.intrinsics.clone()
        intrinsics[:, 0, 2] = 1 - intrinsics[:, 0, 2]
        intrinsics[:, 0, 1] = -intrinsics[:, 0, 1]
        return Camera(flip[:, None] * self.cam_to_world * flip, intrinsics)

    def to(self, target: torch.device | Tensor) -> "Camera":
        """On the device (and, for a tensor, with the dtype) of `target`."""
        return Camera(self.cam_to_world.to(target), self.intrinsics.to(target))

    def expand(self, batch: int) -> "Camera":
        """One camera repeated for a batch."""
        return Camera(self.cam_to_world.expand(batch, 4, 4), self.intrinsics.expand(batch, 3, 3))

    def __len__(self) -> int:
        return len(self.cam_to_world)

    def __getitem__(self, rows: slice | Tensor) -> "Camera":
        return Camera(self.cam_to_world[rows], self.intrinsics[rows])

    @staticmethod
    def cat(cameras: list["Camera"]) -> "Camera":
        """Batches joined one after another."""
        return Camera(
            torch.cat([c.cam_to_world for c in cameras]), torch.cat([c.intrinsics for c in cameras])
        )


def rotation(vector: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch 3 3"]:
    """The rotation about the axis `vector` by its length in radians: exp([ω]×).

    The exponential is differentiable at 0, where a descent starts; Rodrigues' formula divides by
    the angle.
    """
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    return torch.linalg.matrix_exp(skew.unflatten(-1, (3, 3)))
