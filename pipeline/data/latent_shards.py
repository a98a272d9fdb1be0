"""Identities whose draws are read from shards and whom the teacher shows again: kilobytes an
identity, bit-equal to live ones.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.sampling.draws import Draws
from pipeline.sampling.source import Sampler
from pipeline.sampling.view_rendering import ViewRendering
from teachers.rendering.renderer import Renderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import Triplane

from .record import draws_of
from .stored_samples import StoredSamples


class LatentShards:
    """A `BatchSource`: the latents and cameras of stored identities, rendered as configured.

    Args:
        path: the folder that `trilift generate shards=latent` wrote.
        sampler: renders; what it would draw itself isn't asked for.
        distributions: the configured groups `cameras` and `sampler`.
        on_error, repeat: see `StoredSamples`.

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
    ) -> None:
        self.identities = StoredSamples(
            path=path,
            kind="latent",
            teacher=sampler.teacher,
            distributions=distributions,
            on_error=on_error,
            repeat=repeat,
            threads=1,
        )
        self.sampler = sampler.with_seed(self.identities.seed)

    @property
    def rendering(self) -> dict[str, ViewRendering]:
        """How carefully each view is drawn."""
        return self.sampler.rendering

    def to(self, device: torch.device) -> "LatentShards":
        """Makes its batches on another device; moves the teacher there."""
        self.sampler.to(device)
        return self

    def draw(self, samples: Sequence[int]) -> Draws:
        """The stored draws of some sample numbers."""
        return draws_of(self.identities.read(samples))

    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The identities of some sample numbers."""
        return self.sampler.show(self.draw(samples))

    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        return self.sampler.synthesize(self.draw(samples))

    def jitter(self, numbers: Int64[Tensor, " batch"], view: str, renderer: Renderer) -> RayJitter:
        """What placed the ray samples of a view."""
        return self.sampler.jitter(numbers, view, renderer)
