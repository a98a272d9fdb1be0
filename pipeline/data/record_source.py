"""The base classes of batch sources that read records."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from pipeline.batch import DistillationBatch
from pipeline.sampling.source import Sampler
from pipeline.sampling.view_rendering import ViewRendering
from teachers.rendering.renderer import Renderer
from teachers.rendering.rendering import RayJitter
from teachers.rendering.triplane import Triplane

from .manifest import Kind
from .record import OPTIONAL_LATENT_FIELDS, Record, draws_of, moved, view_of
from .stored_samples import StoredSamples


class RecordSource(ABC):
    """A `BatchSource` that reads records: stored images, and planes if they are stored.

    Args:
        sampler: synthesises planes that aren't stored; makes backgrounds and jitter.
    """

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    @abstractmethod
    def read(self, samples: Sequence[int]) -> list[Record]:
        """The records of some sample numbers."""

    @property
    def rendering(self) -> dict[str, ViewRendering]:
        """The changes of the teacher's renderer, by view."""
        return self.sampler.rendering

    def to(self, device: torch.device) -> "RecordSource":
        """Moves the teacher to a device; batches are made there from now on."""
        self.sampler.to(device)
        return self

    def __call__(self, samples: Sequence[int]) -> DistillationBatch:
        """The batch of some sample numbers."""
        records, device = self.read(samples), self.sampler.device
        numbers = torch.tensor([record.number for record in records], device=device)
        reference, novel = (
            moved(view_of(records, name), device) for name in ("reference", "novel")
        )
        image = self.sampler.input_image(numbers, reference.rendering)
        return DistillationBatch(numbers, image, self._planes(records), reference, novel)

    def planes(self, samples: Sequence[int]) -> Triplane:
        """The planes of some sample numbers, without images."""
        return self._planes(self.read(samples))

    def jitter(self, numbers: Int64[Tensor, " batch"], view: str, renderer: Renderer) -> RayJitter:
        """The jitter that placed the ray samples of a view; that of foreign images is unknown."""
        return self.sampler.jitter(numbers, view, renderer)

    def _planes(self, records: Sequence[Record]) -> Triplane:
        """Records of one batch may hold different fields: those with the same go together, so that
        an identity doesn't depend on its neighbours.
        """
        groups: dict[tuple[bool, ...], list[int]] = {}
        for row, record in enumerate(records):
            held = tuple(record.has(name) for name in ("planes.npy", *OPTIONAL_LATENT_FIELDS))
            groups.setdefault(held, []).append(row)
        parts = [self._alike([records[row] for row in rows]) for rows in groups.values()]
        place = torch.tensor([row for rows in groups.values() for row in rows]).argsort()
        planes = torch.cat([part.planes for part in parts])
        return parts[0].with_planes(planes[place.to(planes.device)])

    def _alike(self, records: Sequence[Record]) -> Triplane:
        if not records[0].has("planes.npy"):
            return self.sampler.synthesize(draws_of(records))
        planes = torch.stack([record.array("planes.npy") for record in records])
        device = self.sampler.device
        return self.sampler.teacher.passport.triplane(planes.to(device, non_blocking=True))


class ShardSource(RecordSource):
    """A set of shards that `trilift generate` wrote.

    Args:
        path: folder of the set.
        sampler: see `RecordSource`; its own seed is replaced by that of the set.
        distributions: the configured groups `cameras` and `sampler`, with their markers.
        on_error, repeat, threads: see `StoredSamples`.

    Raises:
        WrongSchema, WrongTeacher, WrongDistributions: the set holds other identities.
    """

    kind: ClassVar[Kind]

    def __init__(
        self,
        *,
        path: Path | str,
        sampler: Sampler,
        distributions: dict[str, Any],
        on_error: Literal["raise", "skip"] = "raise",
        repeat: bool = False,
        threads: int = 1,
    ) -> None:
        self.identities = StoredSamples(
            path=path,
            kind=self.kind,
            teacher=sampler.teacher,
            distributions=distributions,
            on_error=on_error,
            repeat=repeat,
            threads=threads,
        )
        super().__init__(sampler.with_seed(self.identities.seed))

    def read(self, samples: Sequence[int]) -> list[Record]:
        """The records of some sample numbers; a substitute has its own number."""
        return self.identities.read(samples)
