"""A small teacher and its sampler, and how sets of its identities are described."""

import dataclasses

from pipeline.data.manifest import Description, weights_hash
from pipeline.sampling.cameras import CameraPair
from pipeline.sampling.distributions import Normal, Uniform
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.view_rendering import ViewRendering
from tests.builders import eg3d_settings, orbit_prior

TINY_EG3D = eg3d_settings(16)
DISTRIBUTIONS = {
    "cameras": {"reference": {"yaw": 40.0}},
    "sampler": {"latents": {"truncation": 0.7}, "background": "teacher"},
}
FULL = {"pictures": "uint8", "features": "float16", "planes": "none"}


def sampler_of(teacher, seed: int = 3, mixing: float = 0.0) -> TeacherSampler:
    origin = {"pivot": (0.0, 0.0, 0.0)}
    cameras = CameraPair(
        reference=orbit_prior(40, fov_diagonal_deg=Normal(mean=18.83, deviation=1), **origin),
        novel=orbit_prior(30, **origin),
    )
    near = orbit_prior(16, **origin)
    latents = LatentPrior(truncation=Uniform(low=0.6, high=1.0), conditioning=near, mixing=mixing)
    novel = ViewRendering(resolution=8)
    return TeacherSampler(
        teacher=teacher, cameras=cameras, latents=latents, seed=seed, novel_rendering=novel
    )


def describe(teacher, **changes) -> Description:
    described = Description(
        kind="latent",
        teacher=dataclasses.asdict(teacher.passport),
        weights=weights_hash(teacher),
        seed=3,
        shard_size=4,
        distributions=DISTRIBUTIONS,
    )
    return dataclasses.replace(described, **changes)
