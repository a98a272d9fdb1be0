"""The description of a set of shards: their teacher, numbers and checksums.

The folder, in which any number of workers write without a lock:

    description.json        what all shards share; the first worker writes it, the others must agree
    shards/000012.tar       identities [12 · shard_size, 13 · shard_size)
    shards/000012.json      its checksum and where each identity begins; appears last, so a shard
                            that has one is whole
    claims/                 which worker writes which shard (`claims.py`)
    manifest.json           the description and all checksums, merged from the shards' own files
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch

from pipeline.runs.files import created_file, write_bytes
from pipeline.runs.markers import RUNTIME, decisive, marked_keys, without_markers
from pipeline.runs.renamed import read_json
from teachers.passport import Passport
from teachers.teacher import Teacher

from .record import SCHEMA_VERSION
from .shard_errors import (
    CorruptShard,
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
        before = _flat(decisive(self.distributions, free))
        now = _flat(decisive(configured, free))
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
        return _json(
            {
                "description": dataclasses.asdict(self.description),
                "count": self.count,
                "shards": first_to_last,
            }
        )


class ShardFolder:
    """The folder of a set."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def tar(self, name: int) -> Path:
        """Where a shard is."""
        return self.path / "shards" / f"{name:06d}.tar"

    def sidecar(self, name: int) -> Path:
        """Where a shard's own facts are."""
        return self.tar(name).with_suffix(".json")

    def begin(self, description: Description) -> str:
        """Makes the folder, or joins it; returns the digest of the description.

        Raises:
            ValueError: it holds shards that are described otherwise.
        """
        (self.path / "shards").mkdir(parents=True, exist_ok=True)
        content = _json(dataclasses.asdict(description))
        file = self.path / "description.json"
        if not created_file(file, content):
            before, now = _flat(read_json(file)), _flat(json.loads(content))
            lines = [
                f"  {key}: {before.get(key)!r} → {now.get(key)!r}"
                for key in sorted({*before, *now})
                if before.get(key) != now.get(key)
            ]
            if lines:
                advice = (
                    "Give another output (or name), go back to the former values, or remove the"
                    " folder."
                )
                raise ValueError(
                    f"{self.path} holds shards described otherwise (before → now):\n"
                    + "\n".join(lines)
                    + f"\n{advice}"
                )
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def finish(self, name: int, shard: Shard, offsets: list[int]) -> None:
        """Declares a shard whole."""
        write_bytes(self.sidecar(name), _json({**dataclasses.asdict(shard), "offsets": offsets}))

    def done(self) -> set[int]:
        """The shards that are whole."""
        with os.scandir(self.path / "shards") as entries:
            return {
                int(entry.name[:-5])
                for entry in entries
                if entry.name.endswith(".json") and entry.name[:-5].isdigit()
            }

    def facts(self, name: int) -> tuple[Shard, list[int]]:
        """What a shard's own file says: its checksum, and where each identity begins."""
        try:
            values = json.loads(self.sidecar(name).read_bytes())
            offsets = [int(offset) for offset in values.pop("offsets")]
            shard = Shard(**values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            advice = "remove it and run `trilift generate` again"
            raise CorruptShard(
                f"{self.sidecar(name)} doesn't describe a shard ({error!r}): {advice}"
            ) from error
        if len(offsets) != shard.count + 1:
            raise CorruptShard(
                f"{self.sidecar(name)} places {len(offsets) - 1} identities, {shard.count} were"
                " expected: remove it"
            )
        return shard, offsets

    def read(self) -> Manifest:
        """The set as it is now, from what was merged and from the shards' own files; what is being
        written isn't in it.

        Raises:
            FileNotFoundError: there is none.
            WrongSchema: its description is of another version.
        """
        file = self.require()
        values = read_json(file)
        if values.get("schema_version") != SCHEMA_VERSION or set(values) != {
            f.name for f in dataclasses.fields(Description)
        }:
            version = values.get("schema_version")
            raise WrongSchema(
                f"{self.path} has schema version {version!r}, this trilift reads {SCHEMA_VERSION}:"
                " generate it again"
            )
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        merged = self._merged(digest)
        shards = {name: merged.get(name) or self.facts(name)[0] for name in sorted(self.done())}
        for name, shard in shards.items():
            if shard.digest != digest:
                raise WrongSchema(
                    f"{self.tar(name)} belongs to another set than {file}: remove it and its .json"
                )
        return Manifest(Description(**values), shards)

    def require(self) -> Path:
        """The file of the description.

        Raises:
            FileNotFoundError: there is no set here.
        """
        file = self.path / "description.json"
        if not file.exists():
            raise FileNotFoundError(
                f"{self.path} holds no shards (no description.json): make some with `trilift"
                f" generate output={self.path}`"
            )
        return file

    def _merged(self, digest: str) -> dict[int, Shard]:
        """The shards of `manifest.json`, if it is of this set."""
        try:
            values = json.loads((self.path / "manifest.json").read_bytes())["shards"]
            return {
                int(name): shard
                for name, entry in values.items()
                if (shard := Shard(**entry)).digest == digest
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def remove(self, name: int) -> None:
        """Takes a shard out of the set, so that it is written again."""
        for file in (self.path / "manifest.json", self.sidecar(name), self.tar(name)):
            file.unlink(missing_ok=True)

    def merge(self) -> Manifest:
        """Writes `manifest.json`; of several workers that do so, the last one to finish leaves the
        whole of it.
        """
        while True:
            manifest = self.read()
            write_bytes(self.path / "manifest.json", manifest.to_json())
            if self.done() == set(manifest.shards):
                return manifest


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


def _json(values: Any) -> bytes:
    return json.dumps(values, sort_keys=True, indent=1).encode()


def _flat(values: Any, key: str = "") -> dict[str, Any]:
    return dict(_leaves(values, key))


def _leaves(values: Any, key: str) -> Iterator[tuple[str, Any]]:
    if not isinstance(values, dict):
        yield key, values
        return
    for name, value in values.items():
        yield from _leaves(value, f"{key}.{name}" if key else str(name))
