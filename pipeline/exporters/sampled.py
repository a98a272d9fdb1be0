"""Identities that a teacher samples."""

import torch

from pipeline.inference.camera_paths import orbit_of
from pipeline.inversion.portrait import InvertedPortrait, identity_of
from pipeline.sampling.latents import LatentPrior
from teachers.teacher import Teacher


@torch.no_grad()
def sampled_identity(
    teacher: Teacher, number: int, *, seed: int = 0, truncation: float = 1.0
) -> InvertedPortrait:
    """The identity of a number in the stream of a seed: that of `trilift generate` with
    `sampler=plain` (z ~ N(0, I), a frontal camera conditions the mapping network).

    Args:
        teacher: samples.
        number: of the identity, from 0.
        seed: of all numbers.
        truncation: ψ; 1 is none.
    """
    z = LatentPrior().draw_z(seed, [number], teacher.z_dim).to(teacher.mean_latent())
    ws = teacher.map_latents(z, truncation=truncation)
    return identity_of(
        teacher,
        ws,
        name=f"sample {number} of seed {seed}",
        camera=orbit_of(teacher.passport, [0.0], [0.0]),
        courses=(),
    )
