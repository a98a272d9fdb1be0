"""Similarity transforms in any dimension, and the least-squares one between two sets of points."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from teachers.rendering.camera import Camera


@dataclass(frozen=True)
class Similarity:
    """x → scale · rotation · x + translation.

    Attributes:
        scale: positive.
        rotation: proper (determinant 1).
        translation: in units of the target.
    """

    scale: float
    rotation: Float[Tensor, "axis axis"]
    translation: Float[Tensor, " axis"]

    @classmethod
    def identity(cls, axes: int = 3) -> "Similarity":
        """The identity transform."""
        return cls(
            1.0, torch.eye(axes, dtype=torch.float64), torch.zeros(axes, dtype=torch.float64)
        )

    @classmethod
    def between(
        cls,
        source: Float[Tensor, "point axis"],
        target: Float[Tensor, "point axis"],
        *,
        has_scale: bool = True,
    ) -> "Similarity":
        """The least-squares transform from points to others (Umeyama 1991, equations 40 to 42);
        without scale, orthogonal Procrustes.

        Raises:
            ValueError: fewer points than axes, or points that all coincide.
        """
        if len(source) < source.shape[1] or source.shape != target.shape:
            raise ValueError(
                f"an alignment needs at least {source.shape[1]} pairs of points, got {len(source)}"
                f" and {len(target)}"
            )
        source, target = source.double(), target.double()
        middle, target_middle = source.mean(0), target.mean(0)
        off, target_off = source - middle, target - target_middle
        variance = off.square().sum()
        if not variance > 0:
            raise ValueError("all points of an alignment coincide: give points that differ")
        left, singular, right = torch.linalg.svd(target_off.mT @ off)
        signs = torch.ones_like(singular)
        signs[-1] = torch.sign(torch.linalg.det(left @ right))
        rotation = left @ torch.diag(signs) @ right
        scale = ((singular * signs).sum() / variance).item() if has_scale else 1.0
        return cls(scale, rotation, target_middle - scale * rotation @ middle)

    def __call__(self, points: Float[Tensor, "*batch axis"]) -> Float[Tensor, "*batch axis"]:
        """Transformed points."""
        return self.scale * (points @ self.rotation.mT.to(points)) + self.translation.to(points)

    def inverse(self) -> "Similarity":
        """The inverse transform."""
        back = self.rotation.mT
        return Similarity(1 / self.scale, back, -(back @ self.translation) / self.scale)

    def then(self, other: "Similarity") -> "Similarity":
        """The composition: this one first, then the other."""
        return Similarity(
            self.scale * other.scale,
            other.rotation @ self.rotation,
            other.scale * other.rotation @ self.translation + other.translation,
        )

    def camera(self, camera: Camera) -> Camera:
        """Cameras moved with the world: images don't change, depths are multiplied by the scale."""
        cam_to_world = camera.cam_to_world.clone()
        cam_to_world[:, :3, :3] = self.rotation.to(cam_to_world) @ cam_to_world[:, :3, :3]
        cam_to_world[:, :3, 3] = self(cam_to_world[:, :3, 3])
        return Camera(cam_to_world, camera.intrinsics)

    @property
    def angle_deg(self) -> float:
        """Angle of the rotation, in [0, 180]."""
        return rotation_angle_deg(self.rotation)


def rotation_angle_deg(rotation: Float[Tensor, "axis axis"]) -> float:
    """The angle of a rotation of two or three dimensions, degrees in [0, 180]."""
    cosine = rotation[0, 0].item() if len(rotation) == 2 else (rotation.trace().item() - 1) / 2
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
