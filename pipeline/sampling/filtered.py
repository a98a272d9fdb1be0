"""A sampler that draws rejected identities again, reproducibly.

Attempt k at sample number n has independent draws, keyed by (seed, n, k), so that a sample depends
neither on the rest of the batch, nor on the number of ranks, nor on a restart. Batching changes the
last digits of a measurement; a row so near a limit that these could decide is measured alone.
"""

from collections.abc import Sequence

import torch

from pipeline.batch import DistillationBatch
from teachers.rendering.triplane import Triplane

from .cameras import CameraPair
from .draws import Draws, PartialBatch, with_rows
from .sample_filter import SampleFilter
from .sampler import TeacherSampler
from .source import Sampler, SamplerWrapper


class FilteredSampler(SamplerWrapper):
    """A `TeacherSampler` whose identities pass a filter.

    Args:
        source: what is filtered.
        filter: the limits; its discriminator is the teacher's.
    """

    source: TeacherSampler

    def __init__(self, source: TeacherSampler, filter: SampleFilter) -> None:
        super().__init__(source)
        filter.attach(source.teacher.passport)
        self.filter = filter

    def to(self, device: torch.device) -> "FilteredSampler":
        """Makes its batches on another device; moves teacher and discriminator there."""
        self.source.to(device)
        self.filter.to(device)
        return self

    def draw(self, samples: Sequence[int]) -> Draws:
        """The draws of the accepted identities."""
        return self.accept(samples).draws

    @torch.no_grad()
    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The batch of some sample numbers; the view that was judged isn't rendered twice."""
        return self.source.complete(self.accept(samples))

    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes alone of some sample numbers."""
        return self.accept(samples).triplane

    @torch.no_grad()
    def accept(self, samples: Sequence[int]) -> PartialBatch:
        """The first attempt at each sample that passes; only the rejected are drawn again."""
        batch, rows = self._attempt(samples, 0), list(range(len(samples)))
        rows = self._rejected(batch, 0)
        for attempt in range(1, self.filter.attempts):
            if not rows:
                break
            again = self._attempt([samples[row] for row in rows], attempt)
            batch = with_rows(batch, rows, again)
            rows = [rows[row] for row in self._rejected(again, attempt)]
        self.filter.counts.finish(taken=len(samples), exhausted=[samples[row] for row in rows])
        return batch

    def _attempt(self, samples: Sequence[int], attempt: int) -> PartialBatch:
        draws = self.source.draw(list(samples), attempt=attempt)
        return self.source.render(self.source.imagine(draws), self.filter.view)

    def _rejected(self, batch: PartialBatch, attempt: int) -> list[int]:
        """Rows that don't pass."""
        measured = self.filter.measure(batch.views[self.filter.view])
        rejected = []
        for row, sample in enumerate(batch.draws.samples):
            values = {name: value[row].item() for name, value in measured.items()}
            if len(batch.draws) > 1 and self.filter.is_close(values):
                alone = self._attempt([sample], attempt)
                values = {
                    name: value.item()
                    for name, value in self.filter.measure(alone.views[self.filter.view]).items()
                }
            reasons = self.filter.broken_limits(values)
            self.filter.counts.add(values, reasons)
            rejected += [row] if reasons else []
        return rejected

    def with_seed(self, seed: int) -> "FilteredSampler":
        """See `Sampler.with_seed`; the filter counts anew."""
        return FilteredSampler(self.source.with_seed(seed), self.filter.fresh())

    def for_scores(self, seed: int, *, cameras: CameraPair | None = None) -> "FilteredSampler":
        """See `Sampler.for_scores`; the filter counts anew."""
        return FilteredSampler(self.source.for_scores(seed, cameras=cameras), self.filter.fresh())


def filter_of(sampler: Sampler) -> SampleFilter | None:
    """The filter in a chain of samplers, if there is one."""
    if isinstance(sampler, FilteredSampler):
        return sampler.filter
    return filter_of(sampler.source) if isinstance(sampler, SamplerWrapper) else None
