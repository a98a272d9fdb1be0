"""Batches of stored latents and cameras, rendered when they are read; bit-equal to live batches."""

from collections.abc import Sequence

from pipeline.batch import DistillationBatch
from pipeline.sampling.draws import Draws
from teachers.rendering.triplane import Triplane

from .record import draws_of
from .record_source import ShardSource


class LatentShards(ShardSource):
    """A `BatchSource` of the shards of `trilift generate shards=latent`: a few kilobytes per
    identity, rendered as configured.
    """

    kind = "latent"

    def draw(self, samples: Sequence[int]) -> Draws:
        """The stored draws of some sample numbers."""
        return draws_of(self.read(samples))

    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The batch of some sample numbers."""
        return self.sampler.show(self.draw(samples))

    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes of some sample numbers, without rendering."""
        return self.sampler.synthesize(self.draw(samples))
