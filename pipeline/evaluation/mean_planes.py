"""What suites take from a teacher: the mean of its identities, and renderings as observations."""

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.evaluation.metrics.picture_scores import Observation
from pipeline.sampling.source import Sampler
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

BATCH = 8


@torch.no_grad()
def mean_planes(sampler: Sampler, count: int) -> Triplane:
    """The mean of the planes of `count` identities: what a student would answer that never looks."""
    total: Float[Tensor, "1 3 channel height width"] | None = None
    for start in range(0, count, BATCH):
        triplane = sampler.planes(range(start, min(start + BATCH, count)))
        planes = triplane.planes.double().sum(0, keepdim=True)
        total = planes if total is None else total + planes
    if total is None:
        raise ValueError(f"the mean of {count} identities' planes: give at least 1")
    return Triplane((total / count).float(), triplane.axes, triplane.box_size)


def observed(rendering: Rendering) -> Observation:
    """A rendering as an observation at the size of its picture; depth and opacity are enlarged
    where it was super-resolved.
    """
    side = rendering.image.shape[-2:]
    depth, opacity = (
        (
            value
            if value.shape[-2:] == side
            else torch.nn.functional.interpolate(
                value, size=side, mode="bilinear", align_corners=False
            )
        )
        for value in (rendering.depth, rendering.opacity)
    )
    return Observation(rendering.image, depth, opacity)
