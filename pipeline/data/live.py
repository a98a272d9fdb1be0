"""People who are drawn when they are asked for: nothing is stored."""

from typing import Any

from pipeline.sampling.sampler import TeacherSampler


def live_people(*, sampler: TeacherSampler, laws: dict[str, Any]) -> TeacherSampler:
    """The sampler itself; it follows the laws, having been built from them."""
    return sampler
