"""Where a training's batches come from: a teacher that is sampled, or shards that are read."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from pipeline.batch import DistillationBatch
from teachers.rendering.renderer import Renderer
from teachers.rendering.rendering import RayJitter, Rendering
from teachers.rendering.triplane import Triplane
from teachers.teacher import Teacher

from .cameras import CameraPair
from .draws import Draws
from .view_rendering import ViewRendering


@runtime_checkable
class BatchSource(Protocol):
    """Sample numbers → batches; the same numbers always give the same identities."""

    @property
    def rendering(self) -> dict[str, ViewRendering]:
        """For each view, how the teacher's renderer was changed; the student's is changed alike."""
        ...

    def to(self, device: torch.device) -> "BatchSource":
        """Makes its batches on another device."""
        ...

    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The batch of some sample numbers; its own numbers differ where a source substitutes."""
        ...

    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        ...

    def jitter(self, numbers: Int64[Tensor, " batch"], view: str, renderer: Renderer) -> RayJitter:
        """The jitter that placed the ray samples of a view (numbers as in the batch)."""
        ...


@runtime_checkable
class Sampler(BatchSource, Protocol):
    """A batch source that samples a teacher: `TeacherSampler`, or one that wraps it."""

    @property
    def teacher(self) -> Teacher:
        """The frozen GAN."""
        ...

    @property
    def cameras(self) -> CameraPair:
        """The priors of the two views."""
        ...

    @property
    def device(self) -> torch.device:
        """Where batches are made."""
        ...

    def to(self, device: torch.device) -> "Sampler":
        """Makes its batches on another device; moves the teacher there."""
        ...

    def draw(self, samples: Sequence[int]) -> Draws:
        """The random draws of some sample numbers; a filter has to render to find them."""
        ...

    def show(self, draws: Draws) -> DistillationBatch:
        """The batch of some draws: planes synthesised once, rendered from both cameras."""
        ...

    def synthesize(self, draws: Draws) -> Triplane:
        """The planes alone of some draws."""
        ...

    def input_image(
        self, numbers: Int64[Tensor, " batch"], reference: Rendering
    ) -> Float[Tensor, "batch 3 height width"]:
        """The student's input for a reference view: in [-1, 1], on the configured background."""
        ...

    def with_seed(self, seed: int) -> "Sampler":
        """The same distributions with another seed; the teacher is shared."""
        ...

    def for_scores(self, seed: int, *, cameras: CameraPair | None = None) -> "Sampler":
        """The same distributions with another seed, each sample number an identity of its own,
        both views rendered as the teacher renders; the teacher is shared.

        Args:
            seed: of the scores.
            cameras: instead of the sampler's own, where runs are compared that differ in them.
        """
        ...


class SamplerWrapper:
    """The base of samplers that wrap another one; what they don't change is the wrapped one's."""

    def __init__(self, source: Sampler) -> None:
        self.source = source

    @property
    def teacher(self) -> Teacher:
        """The frozen GAN."""
        return self.source.teacher

    @property
    def cameras(self) -> CameraPair:
        """The priors of the two views."""
        return self.source.cameras

    @property
    def device(self) -> torch.device:
        """Where batches are made."""
        return self.source.device

    @property
    def rendering(self) -> dict[str, ViewRendering]:
        """See `BatchSource`."""
        return self.source.rendering

    def jitter(self, numbers: Int64[Tensor, " batch"], view: str, renderer: Renderer) -> RayJitter:
        """See `BatchSource.jitter`."""
        return self.source.jitter(numbers, view, renderer)

    def show(self, draws: Draws) -> DistillationBatch:
        """See `Sampler.show`."""
        return self.source.show(draws)

    def synthesize(self, draws: Draws) -> Triplane:
        """See `Sampler.synthesize`."""
        return self.source.synthesize(draws)

    def input_image(
        self, numbers: Int64[Tensor, " batch"], reference: Rendering
    ) -> Float[Tensor, "batch 3 height width"]:
        """See `Sampler.input_image`."""
        return self.source.input_image(numbers, reference)
