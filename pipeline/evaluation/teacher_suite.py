"""Held-out people of the teacher itself: the student on its own world, which is the most that lifting puppets can hope for."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.sampling.sampler import TeacherSampler
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane

from .metrics import Observation
from .seen_people import SeenPeople

BATCH = 8


@torch.no_grad()
def teachers_people(sampler: TeacherSampler, numbers: Sequence[int]) -> SeenPeople:
    """The people of some sample numbers from two cameras: that of the student's input, and the novel one.

    Args:
        sampler: draws them, with the cameras of a distillation.
        numbers: sample numbers that no training draws.
    """
    pieces: list[Observation] = []
    cameras = []
    for start in range(0, len(numbers), BATCH):
        batch = sampler(numbers[start : start + BATCH])
        views = [batch.reference.rendering, batch.novel.rendering]
        seen = [batch.reference.camera, batch.novel.camera]
        labels = torch.stack([camera.label() for camera in seen], 1).flatten(0, 1)
        cameras.append(type(seen[0]).from_label(labels))
        pieces.append(_interleaved([observed(view) for view in views]))
    truth = Observation(*(torch.cat([getattr(piece, name) for piece in pieces]) for name in ("image", "depth", "opacity")))
    return SeenPeople("teacher", tuple(numbers), 2, truth, type(cameras[0]).cat(cameras))


@torch.no_grad()
def mean_planes(sampler: TeacherSampler, count: int) -> Triplane:
    """The mean of the planes of `count` people: what a student would answer that never looks."""
    total: Float[Tensor, "1 3 channel height width"] | None = None
    for start in range(0, count, BATCH):
        triplane = sampler.planes(range(start, min(start + BATCH, count)))
        planes = triplane.planes.double().sum(0, keepdim=True)
        total = planes if total is None else total + planes
    if total is None:
        raise ValueError(f"the mean of {count} people's planes: give at least 1")
    return Triplane((total / count).float(), triplane.axes, triplane.box_size)


def observed(rendering: Rendering) -> Observation:
    """A rendering as an observation at the size of its picture; depth and opacity are enlarged where it was super-resolved."""
    side = rendering.image.shape[-2:]
    depth, opacity = (
        value if value.shape[-2:] == side else torch.nn.functional.interpolate(value, size=side, mode="bilinear", align_corners=False)
        for value in (rendering.depth, rendering.opacity)
    )
    return Observation(rendering.image, depth, opacity)


def _interleaved(views: list[Observation]) -> Observation:
    """Person after person instead of view after view."""
    return Observation(*(torch.stack([getattr(view, name) for view in views], 1).flatten(0, 1) for name in ("image", "depth", "opacity")))
