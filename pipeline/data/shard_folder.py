"""The folder of a set of shards. Any number of workers write into it without a lock:

description.json      what all shards share; written by the first worker, others must agree
shards/000012.tar     identities [12 · shard_size, 13 · shard_size)
shards/000012.json    its checksum and the offset of each identity; written last: a shard with
                      this file is complete
claims/               which worker writes which shard (`claims.py`)
manifest.json         the description and all checksums, merged from the files of the shards
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path
from typing import Any, TypedDict

from pipeline.runs.files import created_file, write_bytes
from pipeline.runs.markers import decisive
from pipeline.runs.renamed import read_json
from teachers.plain_values import read_json_file, require_shape

from .manifest import Description, Manifest, Shard, canonical_json, changes
from .record import SCHEMA_VERSION
from .shard_errors import CorruptShard, WrongSchema


class _Sidecar(TypedDict):
    offsets: list[int]


class _Merged(TypedDict):
    shards: dict[str, dict[str, Any]]


class ShardFolder:
    """The folder of a set."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def tar(self, name: int) -> Path:
        """The tar of a shard."""
        return self.path / "shards" / f"{name:06d}.tar"

    def sidecar(self, name: int) -> Path:
        """The JSON file beside a shard: its `Shard` and the offsets of its records."""
        return self.tar(name).with_suffix(".json")

    def begin(self, description: Description) -> str:
        """Creates the folder, or checks that it holds the same set.

        Returns:
            sha256 of `description.json`.

        Raises:
            ValueError: the folder holds a set with another description.
        """
        (self.path / "shards").mkdir(parents=True, exist_ok=True)
        content = canonical_json(dataclasses.asdict(description))
        file = self.path / "description.json"
        if not created_file(file, content):
            lines = [
                f"  {key}: {before} → {now}"
                for key, before, now in changes(
                    _comparable(read_json(file, dict[str, Any])), _comparable(json.loads(content))
                )
            ]
            if lines:
                raise ValueError(
                    f"{self.path} holds shards with another description (before → now):\n"
                    + "\n".join(lines)
                    + "\nGive another output (or name), restore the former values, or remove the"
                    " folder."
                )
        return hashlib.sha256(file.read_bytes()).hexdigest()

    def finish(self, name: int, shard: Shard, offsets: list[int]) -> None:
        """Writes the JSON file of a shard, after its tar; this marks the shard as complete."""
        write_bytes(
            self.sidecar(name), canonical_json({**dataclasses.asdict(shard), "offsets": offsets})
        )

    def done(self) -> set[int]:
        """The numbers of the complete shards."""
        with os.scandir(self.path / "shards") as entries:
            return {
                int(entry.name[:-5])
                for entry in entries
                if entry.name.endswith(".json") and entry.name[:-5].isdigit()
            }

    def facts(self, name: int) -> tuple[Shard, list[int]]:
        """The contents of a shard's JSON file.

        Returns:
            the shard, and the offsets in bytes that `write_records` returned.

        Raises:
            CorruptShard: the file is missing or damaged.
        """
        try:
            stored = read_json_file(self.sidecar(name), _Sidecar)
            offsets = stored["offsets"]
            values = {key: value for key, value in stored.items() if key != "offsets"}
            shard = require_shape(values, Shard, str(self.sidecar(name)))
        except (OSError, ValueError) as error:
            raise CorruptShard(
                f"{self.sidecar(name)} doesn't describe a shard ({error}): remove it and run"
                " `trilift generate` again"
            ) from error
        if len(offsets) != shard.count + 1:
            raise CorruptShard(
                f"{self.sidecar(name)} has offsets of {len(offsets) - 1} identities, {shard.count}"
                " were expected: remove it and run `trilift generate` again"
            )
        return shard, offsets

    def read(self, *, trust_manifest: bool = True) -> Manifest:
        """The complete shards at this moment, from `manifest.json` and the files of the shards.

        Args:
            trust_manifest: don't open the files of shards that `manifest.json` lists. It may list
                one that was removed by hand and written again since, with other bytes.

        Raises:
            CorruptShard: the JSON file of a shard is damaged.
            FileNotFoundError: the folder holds no set.
            WrongSchema: the description has another schema version, or a shard belongs to another
                set.
        """
        file = self.require()
        try:
            values = read_json(file, dict[str, Any])
        except ValueError as error:
            raise WrongSchema(f"{error}: generate the shards again") from error
        if values.get("schema_version") != SCHEMA_VERSION or set(values) != {
            f.name for f in dataclasses.fields(Description)
        }:
            version = values.get("schema_version")
            raise WrongSchema(
                f"{self.path} has schema version {version!r}, this trilift reads {SCHEMA_VERSION}:"
                " generate it again"
            )
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        merged = self._merged(digest) if trust_manifest else {}
        shards = {name: merged.get(name) or self.facts(name)[0] for name in sorted(self.done())}
        for name, shard in shards.items():
            if shard.digest != digest:
                raise WrongSchema(
                    f"{self.tar(name)} belongs to another set than {file}: remove it and its .json"
                )
        return Manifest(require_shape(values, Description, str(file)), shards)

    def is_begun(self) -> bool:
        """Whether the folder has a description."""
        return (self.path / "description.json").exists()

    def require(self) -> Path:
        """The path of `description.json`.

        Raises:
            FileNotFoundError: the folder holds no set.
        """
        if not self.is_begun():
            raise FileNotFoundError(
                f"{self.path} holds no shards (no description.json): write some with `trilift"
                f" generate output={self.path}`"
            )
        return self.path / "description.json"

    def require_merged(self) -> None:
        """Compares `manifest.json`, if there is one, with the files of the shards that it lists.

        Raises:
            CorruptShard: it is damaged, or lists a shard with other facts than the shard's JSON
                file, or one without such a file.
        """
        file = self.path / "manifest.json"
        if not file.exists():  # no worker has come to its end yet
            return
        try:
            listed = self._listed()
        except (OSError, ValueError) as error:
            raise CorruptShard(f"{file} can't be read ({error})") from error
        wrong = [f"{name:06d}" for name, shard in listed.items() if not self._holds(name, shard)]
        if wrong:
            raise CorruptShard(
                f"{file} doesn't agree with the .json files of these shards: {', '.join(wrong)}"
            )

    def _holds(self, name: int, shard: Shard) -> bool:
        try:
            return self.facts(name)[0] == shard
        except CorruptShard:
            return False

    def _merged(self, digest: str) -> dict[int, Shard]:
        """The shards of `manifest.json`, if it is of this set."""
        try:
            listed = self._listed()
        except (OSError, ValueError):
            return {}
        return {name: shard for name, shard in listed.items() if shard.digest == digest}

    def _listed(self) -> dict[int, Shard]:
        """The shards of `manifest.json`, whatever set it is of."""
        path = self.path / "manifest.json"
        return {
            int(name): require_shape(entry, Shard, str(path))
            for name, entry in read_json_file(path, _Merged)["shards"].items()
        }

    def remove(self, name: int) -> None:
        """Removes a shard, so that the next `trilift generate` writes it again."""
        for file in (self.path / "manifest.json", self.sidecar(name), self.tar(name)):
            file.unlink(missing_ok=True)

    def merge(self) -> Manifest:
        """Writes `manifest.json` with all complete shards, from their JSON files alone.

        Repeats while other workers finish shards: the file that the last worker writes lists all
        shards.

        Raises:
            CorruptShard: the JSON file of a shard is damaged.
        """
        while True:
            manifest = self.read(trust_manifest=False)
            write_bytes(self.path / "manifest.json", manifest.to_json())
            if self.done() == set(manifest.shards):
                return manifest


def _comparable(description: dict[str, Any]) -> dict[str, Any]:
    """Without distributions' keys that sets of earlier versions lack, where they change nothing."""
    return description | {"distributions": decisive(description.get("distributions") or {}, ())}
