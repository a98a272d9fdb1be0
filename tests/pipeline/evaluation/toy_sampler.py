"""Held-out identities of a toy teacher, from the cameras that evaluations take."""

import functools

from pipeline.build.configuration import compose, instantiate
from pipeline.sampling.sampler import TeacherSampler
from teachers.toy import ToyTeacher


@functools.cache
def toy_sampler(teacher: ToyTeacher) -> TeacherSampler:
    config = compose("evaluate")
    return TeacherSampler(
        teacher=teacher,
        cameras=instantiate(config.cameras),
        latents=instantiate(config.sampler.latents),
        seed=0,
    )
