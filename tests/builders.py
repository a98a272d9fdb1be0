"""Teachers, students, samplers and runs that are small enough for any test.

Each takes changes; a test names only those that it is about.
"""

import os
from pathlib import Path
from typing import Any

import torch

from pipeline.lifter import Lifter, Recipe
from pipeline.sampling.cameras import CameraPair, OrbitPrior
from pipeline.sampling.distributions import Fixed, Uniform
from pipeline.sampling.latents import LatentPrior
from pipeline.sampling.sampler import TeacherSampler
from students.two_stage import TwoStageEncoder
from teachers.eg3d.teacher import save_eg3d
from teachers.stylegan.discriminator import Discriminator
from teachers.teacher import Teacher
from teachers.untrained import untrained_teacher

REPOSITORY = Path(__file__).resolve().parents[1]

STUDENT_SETTINGS = [
    "student.image_size=32",
    "student.backbone_widths=[8,8,8]",
    "student.dim=16",
    "student.canonical_blocks=1",
    "student.canonical_widths=[8]",
    "student.detail_widths=[8,8]",
    "student.detail_strides=[1,2]",
    "student.fusion_widths=[8]",
    "student.fusion_dim=16",
    "student.head_widths=[8]",
]
"""Of `trilift distill`: a student for teachers with planes of at most 32²."""


def process_environment(**changes: str) -> dict[str, str]:
    """Of a Python process that runs this checkout on one thread, in any folder."""
    return {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONSAFEPATH": "1",
        "OMP_NUM_THREADS": "1",
        "JAXTYPING_DISABLE": "1",
        **changes,
    }


def eg3d_settings(resolution: int, **changes: Any) -> dict[str, Any]:
    """Of an EG3D without super-resolution whose pictures have this side."""
    return {
        "z_dim": 8,
        "w_dim": 8,
        "plane_resolution": 16,
        "plane_channels": 8,
        "channel_base": 64,
        "channel_max": 8,
        "render_resolution": resolution,
        "image_resolution": resolution,
        "super_resolution": "none",
        "sr_latent": "none",
        "depth_samples": 4,
        "importance_samples": 4,
        **changes,
    }


def smallest_eg3d_settings(resolution: int, **changes: Any) -> dict[str, Any]:
    """The same with 8² planes and a narrow decoder, where no student has to learn them."""
    small = {
        "plane_resolution": 8,
        "plane_channels": 4,
        "feature_channels": 4,
        "hidden_channels": 8,
        "depth_samples": 6,
        "importance_samples": 6,
    }
    return eg3d_settings(resolution, **{**small, **changes})


def tiny_discriminator(
    resolution: int, image_channels: int, *, seed: int = 0, **changes: Any
) -> Discriminator:
    """With random weights."""
    torch.manual_seed(seed)
    sizes = {"channel_base": 64, "channel_max": 8, "num_mapping_layers": 1}
    return Discriminator(
        resolution=resolution, image_channels=image_channels, **{**sizes, **changes}
    )


def teacher_folder(folder: Path, settings: dict[str, Any], **discriminator: Any) -> Path:
    """A folder with the untrained EG3D of these settings and its discriminator, which reads colours
    and, if the teacher draws one, a matte.
    """
    channels = 4 if settings.get("background") == "matte" else 3
    critic = tiny_discriminator(settings["image_resolution"], channels, **discriminator)
    save_eg3d(folder, untrained_teacher(settings), critic)
    return folder


def student_arguments(**changes: Any) -> dict[str, Any]:
    """Of a `TwoStageEncoder` for pictures of 32² and the toy teacher's 32² planes."""
    return {
        "plane_channels": 16,
        "plane_resolution": 32,
        "image_size": 32,
        "backbone": "compact",
        "backbone_widths": [8, 8, 8],
        "dim": 16,
        "canonical_blocks": 1,
        "canonical_patch_stride": 1,
        "canonical_widths": [8],
        "canonical_upsamplings": 0,
        "detail_widths": [8],
        "detail_strides": [2],
        "fusion_widths": [8],
        "fusion_dim": 16,
        "head_widths": [8],
        **changes,
    }


def tiny_lifter(teacher: Teacher, **changes: Any) -> Lifter:
    """A student with random weights, always the same, and the teacher's renderer.

    Args:
        teacher: whose planes have the size that the student has.
        changes: of `student_arguments`.
    """
    arguments = student_arguments(**changes)
    torch.manual_seed(0)
    return Lifter.from_teacher(
        encoder=TwoStageEncoder(**arguments),
        encoder_recipe=Recipe("students.two_stage.TwoStageEncoder", arguments),
        teacher=teacher,
    )


def orbit_prior(yaw: float, **changes: Any) -> OrbitPrior:
    """Cameras up to `yaw` degrees to either side and 20 above and below."""
    distributions = {
        "yaw_deg": Uniform(low=-yaw, high=yaw),
        "pitch_deg": Uniform(low=-20, high=20),
        "pitch_distribution": "elevation",
        "fov_diagonal_deg": Fixed(value=18.83),
    }
    return OrbitPrior(**{**distributions, **changes})


def level_sampler(teacher: Teacher) -> TeacherSampler:
    """A teacher's identities from cameras at the height of the head."""
    level = Fixed(value=0.0)
    return TeacherSampler(
        teacher=teacher,
        cameras=CameraPair(
            reference=orbit_prior(40.0, pitch_deg=level), novel=orbit_prior(30.0, pitch_deg=level)
        ),
        latents=LatentPrior(),
        seed=0,
    )
