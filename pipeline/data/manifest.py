"""The description of a set of shards: their teacher, numbers and checksums."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from pipeline.runs.markers import RUNTIME, decisive, marked_keys, without_markers
from teachers.passport import Passport
from teachers.teacher import Teacher

from .record import SCHEMA_VERSION
from .shard_errors import (
    NumberOutsideRange,
    WrongDistributions,
    WrongSchema,
    WrongTeacher,
)

Kind = Literal["latent", "full"]

RENDERING = ("sampler.reference_rendering", "sampler.novel_rendering", "sampler.background")
"""Settings that latent shards leave to their readers, which render the identities."""


@dataclass(frozen=True)
class Description:
    """What all shards of a set share.

    Attributes:
        kind: "latent" or "full".
        teacher: the passport.
        weights: sha256 of the teacher's parameters.
        seed: of the draws.
        shard_size: identities in a shard.
        distributions: the groups `cameras` and `sampler`, as they were configured.
        storage: how precisely full records are kept.
    """

    kind: Kind
    teacher: dict[str, Any]
    weights: str
    seed: int
    shard_size: int
    distributions: dict[str, Any]
    storage: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def require_usable(self, kind: Kind, where: Path) -> None:
        """Raises WrongSchema where shards are of another version or kind."""
        if self.schema_version != SCHEMA_VERSION:
            raise WrongSchema(
                f"{where} has schema version {self.schema_version}, this trilift reads"
                f" {SCHEMA_VERSION}: generate it again"
            )
        if self.kind != kind:
            raise WrongSchema(
                f"{where} holds {self.kind} shards, {kind} shards were expected: use"
                f" data={self.kind}_shards"
            )

    def require_teacher(self, teacher: Teacher, where: Path) -> None:
        """Raises WrongTeacher unless these are that teacher's identities."""
        try:
            mine = Passport.from_dict(self.teacher)
            mine.require_same(teacher.passport, mine=str(where), others="the configured teacher")
        except ValueError as error:
            raise WrongTeacher(
                f"{error}\nHere: use the teacher of the shards, or generate shards with this one."
            ) from error
        if self.weights != (weights := weights_hash(teacher)):
            raise WrongTeacher(
                f"{where} was made by a teacher with weights {self.weights[:12]}…, the configured"
                f" one ({teacher.passport.name!r}) has {weights[:12]}…, although their passports"
                " agree: use the former, or generate shards with this one"
            )

    def require_distributions(self, distributions: dict[str, Any], where: Path) -> None:
        """Raises WrongDistributions, naming every difference that matters, unless identities were
        drawn by these distributions.
        """
        free = marked_keys(distributions, RUNTIME) + (RENDERING if self.kind == "latent" else ())
        configured = json.loads(json.dumps(without_markers(distributions)))
        before = flattened(decisive(self.distributions, free))
        now = flattened(decisive(configured, free))
        lines = [
            f"  {key}: {before.get(key, '(absent)')!r} in the shards, {now.get(key, '(absent)')!r}"
            " configured"
            for key in sorted({*before, *now})
            if before.get(key) != now.get(key)
        ]
        if lines:
            raise WrongDistributions(
                f"{where} was drawn by other distributions:\n"
                + "\n".join(lines)
                + "\nConfigure those of the shards, or generate others."
            )


@dataclass(frozen=True)
class Shard:
    """One shard: identities [first, first + count), its size and checksum; `digest` is that of the
    set's description.
    """

    first: int
    count: int
    bytes: int
    sha256: str
    digest: str


@dataclass(frozen=True)
class Manifest:
    """A set of shards as a reader sees it."""

    description: Description
    shards: dict[int, Shard]

    @property
    def count(self) -> int:
        """How many identities there are."""
        return len(self.shards) * self.description.shard_size

    def ranges(self) -> list[tuple[int, int]]:
        """The stored numbers as [first, end) without neighbours that touch."""
        found: list[tuple[int, int]] = []
        for shard in (self.shards[name] for name in self._names):
            start = found.pop()[0] if found and found[-1][1] == shard.first else shard.first
            found.append((start, shard.first + shard.count))
        return found

    def locate(self, number: int) -> tuple[int, int]:
        """Sample number → shard and index.

        Raises:
            NumberOutsideRange: it isn't stored.
        """
        name, index = divmod(number, self.description.shard_size)
        if name not in self.shards:
            stored = ", ".join(f"{first} to {end - 1}" for first, end in self.ranges()) or "none"
            raise NumberOutsideRange(
                f"sample number {number} isn't stored; these are: {stored}. Generate more (`trilift"
                " generate count=…`), train fewer steps, or go round with data.repeat=true"
            )
        return name, index

    def number(self, position: int) -> int:
        """The stored number at a position of the set, counted round and round."""
        name, index = divmod(position % self.count, self.description.shard_size)
        return self._names[name] * self.description.shard_size + index

    @cached_property
    def _names(self) -> list[int]:
        return sorted(self.shards)

    def to_json(self) -> bytes:
        """Sorted, so that equal sets have equal manifests."""
        first_to_last = {
            f"{name:06d}": dataclasses.asdict(shard) for name, shard in sorted(self.shards.items())
        }
        return canonical_json(
            {
                "description": dataclasses.asdict(self.description),
                "count": self.count,
                "shards": first_to_last,
            }
        )


def weights_hash(teacher: Teacher) -> str:
    """sha256 of a teacher's parameters and kept buffers, by name."""
    digest = hashlib.sha256()
    state = teacher.state_dict() if isinstance(teacher, torch.nn.Module) else {}
    for name in sorted(state):
        digest.update(f"{name}:{state[name].dtype}:{tuple(state[name].shape)}".encode())
        digest.update(
            state[name].detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
        )
    return digest.hexdigest()


def canonical_json(values: Any) -> bytes:
    """JSON with sorted keys: equal values have equal bytes."""
    return json.dumps(values, sort_keys=True, indent=1).encode()


def flattened(values: Any, key: str = "") -> dict[str, Any]:
    """Nested dictionaries as one, with dotted keys."""
    return dict(_leaves(values, key))


def _leaves(values: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(values, dict):
        yield key, values
        return
    for name, value in values.items():
        yield from _leaves(value, f"{key}.{name}" if key else str(name))
