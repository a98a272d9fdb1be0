"""Identities whose pictures are read from shards: no rendering by the teacher, equal to live ones
within the stored precision.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.sampling.source import Sampler
from pipeline.sampling.view_rendering import ViewRendering
from teachers.rendering.renderer import Renderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import Triplane

from .record import Record, draws_of, moved, view_of
from .stored_samples import StoredSamples


class FullShards:
    """A `BatchSource`: stored pictures. Planes that aren't stored are made again by the teacher,
    from the stored z.

    Args:
        path: the folder that `trilift generate shards=full` wrote.
        sampler: makes planes, where they aren't stored, and backgrounds.
        distributions: the configured groups `cameras` and `sampler`.
        on_error, repeat, threads: see `StoredSamples`.

    Raises:
        WrongSchema, WrongTeacher, WrongDistributions: these identities can't be used here.
    """

    def __init__(
        self,
        *,
        path: Path | str,
        sampler: Sampler,
        distributions: dict[str, Any],
        on_error: Literal["raise", "skip"] = "raise",
        repeat: bool = False,
        threads: int = 4,
    ) -> None:
        self.identities = StoredSamples(
            path=path,
            kind="full",
            teacher=sampler.teacher,
            distributions=distributions,
            on_error=on_error,
            repeat=repeat,
            threads=threads,
        )
        self.sampler = sampler.with_seed(self.identities.seed)

    @property
    def rendering(self) -> dict[str, ViewRendering]:
        """How carefully each view was drawn."""
        return self.sampler.rendering

    def to(self, device: torch.device) -> "FullShards":
        """Makes its batches on another device; moves the teacher there."""
        self.sampler.to(device)
        return self

    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The identities of some sample numbers."""
        return batch_of(self.identities.read(samples), self.sampler)

    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        return planes_of(self.identities.read(samples), self.sampler)

    def jitter(self, numbers: Int64[Tensor, " batch"], view: str, renderer: Renderer) -> RayJitter:
        """What placed the ray samples of a view."""
        return self.sampler.jitter(numbers, view, renderer)


def batch_of(records: Sequence[Record], sampler: Sampler) -> DistillationBatch:
    """Stored identities as the batch that the teacher would have made."""
    numbers = torch.tensor([record.number for record in records], device=sampler.device)
    reference, novel = (
        moved(view_of(records, name), sampler.device) for name in ("reference", "novel")
    )
    image = sampler.input_image(numbers, reference.rendering)
    return DistillationBatch(numbers, image, planes_of(records, sampler), reference, novel)


def planes_of(records: Sequence[Record], sampler: Sampler) -> Triplane:
    """The stored planes, or those that the teacher makes again."""
    if not all(record.has("planes.npy") for record in records):
        return sampler.synthesize(draws_of(records))
    planes = torch.stack([record.array("planes.npy") for record in records]).to(
        sampler.device, non_blocking=True
    )
    return sampler.teacher.passport.triplane(planes)
