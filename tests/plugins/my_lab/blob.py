"""A plug-in teacher with another field: one ball whose planes carry a signed distance (VolSDF)."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from teachers.passport import Passport
from teachers.rendering.camera import Camera
from teachers.rendering.marching import RaySampling
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import ORTHOGONAL_AXES, Triplane


@dataclass(frozen=True)
class LaplaceDensity:
    """VolSDF's density: the CDF of a Laplace distribution at minus the SDF, over beta."""

    beta: float

    def __call__(self, sdf: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
        half = 0.5 * torch.exp(-sdf.abs() / self.beta)
        return torch.where(sdf > 0, half, 1 - half) / self.beta


class DistanceDecoder(nn.Module):
    """Features (|p|², radius, colour) → colours and the signed distance of a ball at the origin."""

    def __init__(self, beta: float) -> None:
        super().__init__()
        self.density_activation = LaplaceDensity(beta)

    def forward(self, features: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
        return features[..., 2:5].clamp(0, 1), self.density_logit(features, points)

    def density_logit(self, features: Tensor, points: Tensor) -> Tensor:
        return features[..., :1].clamp(min=1e-6).sqrt() - features[..., 1:2]


def blob_renderer(*, resolution: int, beta: float = 0.01) -> TriplaneRenderer:
    return TriplaneRenderer(
        decoder=DistanceDecoder(beta),
        sampling=RaySampling(near=2.25, far=3.2, depth_samples=12, importance_samples=12),
        resolution=resolution,
        background=1.0,
    )


class BlobTeacher(nn.Module):
    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.z_dim = 4
        self.renderer = blob_renderer(resolution=resolution)
        self.passport = Passport(
            kind="blob", name="ball", plane_axes=ORTHOGONAL_AXES, plane_channels=5,
            plane_resolution=16, box_size=1.0, near=2.25, far=3.2, focal=4.2647,
            camera_radius=2.7, camera_pivot=(0.0, 0.0, 0.0), render_resolution=resolution,
            image_resolution=resolution, depth_samples=12, importance_samples=12,
            background="white", super_resolution="none", sr_latent="none", source_hash="",
            licence="Apache-2.0",
        )  # fmt: skip
        self.eval()

    def renderer_recipe(self) -> tuple[str, dict[str, Any]]:
        return "my_lab.blob.blob_renderer", {"resolution": self.passport.render_resolution}

    def map_latents(self, z: Tensor, camera: Camera | None = None, *, truncation: float = 1.0):
        return truncation * torch.tanh(z)[:, None]

    def synthesize(self, ws: Tensor) -> Triplane:
        size = self.passport.plane_resolution
        texels = ((torch.arange(size).to(ws) + 0.5) / size - 0.5).square()
        squares = 1.5 * (texels[:, None] + texels)  # each coordinate is in two of three planes
        values = torch.cat([0.2 + 0.05 * ws[:, 0, :1], 0.5 + 0.4 * ws[:, 0, 1:]], 1)
        plane = torch.cat(
            [
                squares.expand(len(ws), 1, -1, -1),
                values[..., None, None].expand(-1, -1, size, size),
            ],
            1,
        )
        return self.passport.triplane(plane[:, None].expand(-1, 3, -1, -1, -1))

    def render(
        self,
        triplane: Triplane,
        camera: Camera,
        *,
        ws: Tensor | None = None,
        jitter: RayJitter | None = None,
    ) -> Rendering:
        return self.renderer(triplane, camera, ws, jitter)

    def mean_latent(self) -> Tensor:
        return torch.zeros(1, 1, self.z_dim)
