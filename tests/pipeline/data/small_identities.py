"""A small teacher and its sampler, and how sets of its identities are described."""

import dataclasses

from pipeline.data.manifest import Description, weights_hash
from pipeline.sampling.cameras import CameraPair, OrbitPrior
from pipeline.sampling.distributions import Fixed, Normal, Uniform
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.view_rendering import ViewRendering

TINY_EG3D = {
    "z_dim": 8, "w_dim": 8, "plane_resolution": 16, "plane_channels": 8, "channel_base": 64,
    "channel_max": 8, "render_resolution": 16, "image_resolution": 16, "super_resolution": "none",
    "sr_latent": "none", "depth_samples": 4, "importance_samples": 4,
}  # fmt: skip
DISTRIBUTIONS = {
    "cameras": {"reference": {"yaw": 40.0}},
    "sampler": {"latents": {"truncation": 0.7}, "background": "teacher"},
}
FULL = {"pictures": "uint8", "features": "float16", "planes": "none"}


def sampler_of(teacher, seed: int = 3) -> TeacherSampler:
    distributions = {
        "pitch_deg": Uniform(low=-20, high=20),
        "pitch_distribution": "elevation",
        "pivot": (0.0, 0.0, 0.0),
    }
    cameras = CameraPair(
        reference=OrbitPrior(
            yaw_deg=Uniform(low=-40, high=40),
            fov_diagonal_deg=Normal(mean=18.83, deviation=1),
            **distributions,
        ),
        novel=OrbitPrior(
            yaw_deg=Uniform(low=-30, high=30), fov_diagonal_deg=Fixed(value=18.83), **distributions
        ),
    )
    near = OrbitPrior(
        yaw_deg=Uniform(low=-16, high=16), fov_diagonal_deg=Fixed(value=18.83), **distributions
    )
    latents = LatentPrior(truncation=Uniform(low=0.6, high=1.0), conditioning=near)
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
