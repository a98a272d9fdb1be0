"""The batch of distillation: the student's input and the teacher's targets."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from teachers.rendering.camera import Camera
from teachers.rendering.rendering import Rendering
from teachers.rendering.triplane import Triplane


@dataclass(frozen=True)
class View:
    """Cameras and the teacher's renderings by them, one per sample."""

    camera: Camera
    rendering: Rendering


@dataclass(frozen=True)
class DistillationBatch:
    """Identities of the teacher: the student's input and its targets.

    Attributes:
        samples: sample numbers; with the seed, they determine everything else.
        image: the student's input in [-1, 1]: the reference image, possibly on another background.
        triplane: the teacher's planes.
        reference: the view of `image`, by an augmented camera.
        novel: another view of the same identity, by a camera with the teacher's own intrinsics.
    """

    samples: Int64[Tensor, " batch"]
    image: Float[Tensor, "batch 3 height width"]
    triplane: Triplane
    reference: View
    novel: View

    def __len__(self) -> int:
        return len(self.samples)

    @classmethod
    def cat(cls, batches: "Sequence[DistillationBatch]") -> "DistillationBatch":
        """The samples of several batches, in order."""
        if len(batches) == 1:
            return batches[0]
        batch: DistillationBatch = map_tensors(lambda *tensors: torch.cat(tensors), *batches)
        return batch

    def split(self, parts: int) -> "list[DistillationBatch]":
        """Equal parts, in order, as views of the batch's memory.

        Raises:
            ValueError: the number of samples isn't a multiple of `parts`.
        """
        size, rest = divmod(len(self), parts)
        if rest:
            raise ValueError(
                f"a batch of {len(self)} samples can't be split into {parts} equal parts"
            )
        return [
            map_tensors(lambda tensor, first=first: tensor[first : first + size], self)
            for first in range(0, len(self), size)
        ]


def map_tensors(function: Callable[..., Any], *records: Any) -> Any:
    """A dataclass of the results of a function on corresponding tensors of dataclasses.

    Args:
        function: takes one tensor per record.
        *records: dataclasses of one type, nested or not; other values are those of the first.
    """
    first = records[0]
    if isinstance(first, Tensor):
        return function(*records)
    if dataclasses.is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in dataclasses.fields(first)]
        return dataclasses.replace(
            first,
            **{
                name: map_tensors(function, *(getattr(record, name) for record in records))
                for name in names
            },
        )
    return first


def tensors_of(record: Any) -> Iterator[Tensor]:
    """All tensors of a dataclass, nested or not."""
    if isinstance(record, Tensor):
        yield record
    elif dataclasses.is_dataclass(record):
        for field in dataclasses.fields(record):
            yield from tensors_of(getattr(record, field.name))
