"""What a training takes identities from, whether they are drawn, or read from shards."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Int64
from torch import Tensor

from pipeline.batch import DistillationBatch
from teachers.rendering.renderer import TriplaneRenderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import Triplane

from .view_rendering import ViewRendering


@runtime_checkable
class BatchSource(Protocol):
    """Sample numbers → identities; the same numbers give the same identities, always.

    Attributes:
        rendering: how carefully each view was drawn, by its name; the student draws alike.
    """

    rendering: dict[str, ViewRendering]

    def to(self, device: torch.device) -> "BatchSource":
        """Makes its batches on another device."""
        ...

    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The identities of some sample numbers; the batch's own numbers may be others, where a
        source substitutes.
        """
        ...

    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        ...

    def jitter(
        self, numbers: Int64[Tensor, " batch"], view: str, renderer: TriplaneRenderer
    ) -> RayJitter:
        """What placed the ray samples of a view of these identities (numbers as in the batch)."""
        ...
