"""Whom a student learns from, as configured: drawn live, or read from shards of a teacher's people."""

from collections.abc import Mapping
from typing import Any

from pipeline.build import instantiate
from pipeline.sampling.sampler import TeacherSampler
from pipeline.sampling.view_rendering import ViewRendering
from teachers.teacher import Teacher


def build_sampler(config: Mapping[str, Any], teacher: Teacher) -> TeacherSampler:
    """Who is drawn, and from where they are looked at: the groups `cameras` and `sampler`, and `seed`."""
    sampler = config["sampler"]
    return TeacherSampler(
        teacher=teacher,
        cameras=instantiate(config["cameras"]),
        latents=instantiate(sampler["latents"]),
        seed=config["seed"],
        background=sampler["background"],
        reference_rendering=ViewRendering(**sampler["reference_rendering"]),
        novel_rendering=ViewRendering(**sampler["novel_rendering"]),
    )
