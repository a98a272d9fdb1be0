"""The random draws of a batch, and a batch that is made step by step."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from pipeline.batch import View
from teachers.rendering.camera import Camera
from teachers.rendering.triplane import Triplane

Rows = TypeVar("Rows")


@dataclass(frozen=True)
class Mixing:
    """Style mixing: the later synthesis layers take their w from a second z.

    Attributes:
        z: the second one.
        crossover: where the second w begins: in [0, 1) uniform over the layers after the first; 1:
            nowhere.
    """

    z: Float[Tensor, "batch z_dim"]
    crossover: Float[Tensor, " batch"]

    def __getitem__(self, rows: slice) -> "Mixing":
        return Mixing(self.z[rows], self.crossover[rows])

    def first_layers(self, layers: int) -> Bool[Tensor, "batch layer"]:
        """Which layers keep the first w: at least one; all of them where nothing is mixed."""
        begin = 1 + (self.crossover * (layers - 1)).floor()
        return torch.arange(layers, device=begin.device) < begin[:, None]


@dataclass(frozen=True)
class Draws:
    """Everything random about a batch, on the host. A row depends on its sample number and the seed
    alone.

    Attributes:
        samples: sample numbers, which key the cameras, the ray jitter and the background.
        z, truncation, conditioning: the identities; without a conditioning camera the teacher
            takes its frontal one.
        reference, novel: the cameras.
        identities: the numbers that key z, truncation and conditioning: the sample's own, or its
            identity's in a fixed set. Empty in draws that were read from shards.
        attempts: for each identity, how many attempts a filter rejected before.
        mixing: None where no identity is ever mixed.
    """

    samples: list[int]
    z: Float[Tensor, "batch z_dim"]
    truncation: Float[Tensor, " batch"]
    conditioning: Camera | None
    reference: Camera
    novel: Camera
    identities: list[int] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    mixing: Mixing | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, rows: slice) -> "Draws":
        columns: list[Any] = [None if value is None else value[rows] for value in _values(self)]
        return Draws(*columns)

    @staticmethod
    def cat(draws: Sequence["Draws"]) -> "Draws":
        """Batches joined one after another; all of them have a conditioning camera, or none has."""
        columns = zip(*(_values(one) for one in draws), strict=True)
        return Draws(*(_joined(column) for column in columns))


@dataclass(frozen=True)
class PartialBatch:
    """A batch whose planes are synthesised and whose views may be missing yet.

    Attributes:
        draws: what everything follows from.
        ws, triplane: the identities.
        views: those that are rendered, by name.
    """

    draws: Draws
    ws: Float[Tensor, "batch layer w_dim"]
    triplane: Triplane
    views: dict[str, View]


def with_rows(old: Rows, rows: Sequence[int], new: Rows) -> Rows:
    """A record of batches with some rows taken from another: tensors, lists, and dataclasses and
    dictionaries of them.
    """
    value: Any = new
    if isinstance(old, Tensor):
        return old.index_copy(0, torch.tensor(rows, device=old.device), value)  # type: ignore[return-value]
    if isinstance(old, list):
        replaced = dict(zip(rows, value, strict=True))
        return [replaced.get(row, kept) for row, kept in enumerate(old)]  # type: ignore[return-value]
    if isinstance(old, dict):
        return {name: with_rows(kept, rows, value[name]) for name, kept in old.items()}  # type: ignore[return-value]
    if dataclasses.is_dataclass(old):
        build: Any = type(old)
        return build(
            **{
                f.name: with_rows(getattr(old, f.name), rows, getattr(value, f.name))
                for f in dataclasses.fields(old)
            }
        )
    return old


def _values(record: Draws | Mixing) -> list[Any]:
    return [getattr(record, field.name) for field in dataclasses.fields(record)]


def _joined(parts: Sequence[Any]) -> Any:
    first = parts[0]
    if first is None:
        return None
    if isinstance(first, Camera):
        return Camera.cat(list(parts))
    if isinstance(first, Mixing):
        return Mixing(*(torch.cat(one) for one in zip(*map(_values, parts), strict=True)))
    return (
        torch.cat(list(parts))
        if isinstance(first, Tensor)
        else [value for part in parts for value in part]
    )
