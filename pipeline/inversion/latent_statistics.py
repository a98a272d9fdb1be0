"""Mean and standard deviation of a teacher's latents."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.sampling.random_streams import normals
from teachers.teacher import Teacher

PURPOSE = "inversion/statistics"


@dataclass(frozen=True)
class LatentStatistics:
    """Of the ws of many z, with the frontal conditioning camera.

    Attributes:
        mean: of each layer.
        deviation: root mean squared distance of a layer's vector from the mean (σ_w in StyleGAN2
            app. D).
    """

    mean: Float[Tensor, "1 layer w_dim"]
    deviation: float


@torch.no_grad()
def latent_statistics(teacher: Teacher, *, samples: int, seed: int) -> LatentStatistics:
    """Statistics of `samples` z (EG3D-projector: 600), determined by the seed."""
    ws = teacher.map_latents(
        normals(seed, range(samples), PURPOSE, teacher.z_dim).to(teacher.mean_latent())
    )
    mean = ws.mean(0, keepdim=True)
    distance = (ws - mean).square().sum(-1).mean().sqrt()
    return LatentStatistics(mean, distance.item())
