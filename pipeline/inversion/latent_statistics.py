"""Where a teacher's latents lie: their mean, where searches begin, and how far they spread."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.sampling.random_streams import normals
from teachers.teacher import Teacher

PURPOSE = "inversion/statistics"


@dataclass(frozen=True)
class LatentStatistics:
    """Of the ws of many z, seen with the frontal conditioning camera.

    Attributes:
        mean: of every layer.
        deviation: root of the mean squared distance from the mean, of one layer's vector (StyleGAN2
            app. D: σ_w).
    """

    mean: Float[Tensor, "1 layer w_dim"]
    deviation: float


@torch.no_grad()
def latent_statistics(teacher: Teacher, *, samples: int, seed: int) -> LatentStatistics:
    """Of so many z (EG3D-projector: 600), the same ones for the same seed."""
    ws = teacher.map_latents(
        normals(seed, range(samples), PURPOSE, teacher.z_dim).to(teacher.mean_latent())
    )
    mean = ws.mean(0, keepdim=True)
    distance = (ws - mean).square().sum(-1).mean().sqrt()
    return LatentStatistics(mean, distance.item())
