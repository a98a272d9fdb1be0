"""The bill of materials: what a checkpoint or a result depends on, and what its licences permit.

Everything comes from metadata that travels with files. What these don't say is unknown.
"""

import re
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from pipeline.inference.pretrained import student_file
from pipeline.inference.runtimes.network_file import (
    ONNX,
    OPENVINO,
    TORCH_EXPORT,
    read_metadata,
)
from pipeline.lifter import read_description
from pipeline.manifests.signing import EMBEDDED, sidecar
from pipeline.manifests.verification import ALSO_READ, verify
from pipeline.portraits.facemesh.detector import PRETRAINED
from pipeline.runs.tensor_file import safetensors_metadata
from teachers.checkpoint import BUNDLED
from teachers.plain_values import parse_json, read_json_file, require_shape

UNKNOWN = "unknown"

NOT_RECORDED = "not recorded"
"""Of training data: a file of an earlier version, which didn't say what its teacher learnt from."""

RIGHTS = ("commercial use", "redistribution", "attribution required", "share alike")

PERMISSIVE = ("yes", "yes", "yes", "no")

KNOWN: dict[str, tuple[str, str, str, str]] = {
    "Apache-2.0": PERMISSIVE,
    "MIT": PERMISSIVE,
    "BSD-3-Clause": PERMISSIVE,
    "BSD-2-Clause": PERMISSIVE,
    "CC0-1.0": ("yes", "yes", "no", "no"),
    "CC-BY-4.0": PERMISSIVE,
    "CC-BY-SA-4.0": ("yes", "yes", "yes", "yes"),
    "CC-BY-NC-4.0": ("no", "yes", "yes", "no"),
    "CC-BY-NC-SA-4.0": ("no", "yes", "yes", "yes"),
}
"""What licences permit (`RIGHTS`), by their SPDX identifiers."""

NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Item:
    """One thing that a result depends on.

    Attributes:
        kind: weights, data, library or asset.
        name: of it.
        licence: as its metadata states it, or "unknown".
        source: the metadata that says so.
        sha256: of the weights' source; "" where the metadata has none.
    """

    kind: str
    name: str
    licence: str
    source: str
    sha256: str = ""

    @property
    def permits(self) -> dict[str, str]:
        """yes, no or unknown for each of `RIGHTS`; never guessed from an unknown licence."""
        stated = self.licence
        # a student that was started from another teacher's is under two licences in one sentence
        two = "Started from" in stated
        found = None if two else next((KNOWN[name] for name in KNOWN if _is(stated, name)), None)
        rights = dict(zip(RIGHTS, found or [UNKNOWN] * len(RIGHTS), strict=True))
        # a remark may restrict what the identifier before it permits
        is_restricted = "non-commercial" in stated.lower()
        return {**rights, "commercial use": "no"} if is_restricted else rights

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "permits": self.permits}


def bill_of(path: Path) -> list[Item]:
    """The bill of a student's file or folder, a triplane, a teacher's folder, an exported network,
    or a signed result.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: the file carries no metadata of trilift, or the folder is neither.
    """
    if not path.exists():
        raise FileNotFoundError(f"there is no {path}: give a checkpoint or a result")
    return [*_weights(path), *_facemesh(), *_libraries()]


def _weights(path: Path) -> list[Item]:
    if path.is_dir() and not (path / "passport.json").is_file():
        path = _student_in(path)
    if path.is_dir():
        return _teacher(_json(path / "passport.json"), "passport.json")
    if path.suffix in (ONNX, OPENVINO, TORCH_EXPORT):
        return _network(path)
    is_picture = path.suffix.lower() in {*EMBEDDED, *ALSO_READ}
    if is_picture or (path.is_file() and sidecar(path).is_file()):
        return _signed(path)
    stored = safetensors_metadata(path)
    if "lifter" not in stored and "passport" not in stored:
        raise ValueError(
            f"{path} says nothing of its origin: give a student, a triplane.safetensors, a"
            " teacher's folder, an exported network (.onnx, .xml, .pt2), or a signed picture or"
            " film (lift … provenance=c2pa)"
        )
    source = f"metadata of {path.name}"
    if "lifter" in stored:
        description = read_description(path)
        passport = description["passport"]
        name = f"student {path.stem} ({description['encoder']['target']})"
        teacher = _teacher(passport, source)
        return [Item("weights", name, passport["licence"], source), *teacher]
    return _teacher(parse_json(stored["passport"], f"the metadata of {path}"), source)


def _student_in(folder: Path) -> Path:
    try:
        return student_file(folder, local_files_only=True)
    except ValueError as error:
        raise ValueError(
            f"{error}; nor is it a teacher's folder: it has no passport.json"
        ) from error


def _network(path: Path) -> list[Item]:
    said, source = read_metadata(path), f"metadata of {path.name}"
    encoder = parse_json(said["student"], source, dict[str, Any])["encoder"]["target"]
    name = f"{said['network']} of a student ({encoder})"
    student = Item("weights", name, said["licence"], source, said["weights_sha256"])
    return [student, *_teacher(parse_json(said["passport"], source), source)]


class _Origin(TypedDict):
    name: str
    licence: str
    source_hash: str
    training_data: NotRequired[list[dict[str, str]]]


def _teacher(passport: Any, source: str) -> list[Item]:
    said = require_shape(passport, _Origin, source)
    name, licence, digest = said["name"], said["licence"], said["source_hash"]
    return [
        Item("weights", f"teacher {name}", licence, source, digest),
        *_training_data(passport, source),
    ]


def _training_data(passport: dict[str, Any], source: str) -> list[Item]:
    """What the file says; else what the bundled teacher with the same weights says."""
    name, digest = passport["name"], passport["source_hash"]
    entries = passport.get("training_data") or ()
    if not entries and digest in (bundled := _bundled_teachers()):
        entries, source = bundled[digest], f"passport of the bundled teacher {digest[:12]}…"
    if not entries:
        return [Item("data", f"training data of teacher {name}", NOT_RECORDED, source)]
    return [Item("data", entry["name"], entry["licence"], source) for entry in entries]


@cache
def _bundled_teachers() -> dict[str, list[dict[str, str]]]:
    """Hash of the weights → training data."""
    passports = (_json(path) for path in BUNDLED.glob("*/passport.json"))
    return {one["source_hash"]: one.get("training_data", []) for one in passports}


def _signed(path: Path) -> list[Item]:
    verdict = verify(path)
    if verdict.state not in ("valid", "untrusted") or not verdict.origin:
        raise ValueError(f"{path} has no intact manifest of trilift ({verdict.state})")
    origin, source = verdict.origin, f"manifest of {path.name} ({verdict.state})"
    teacher = {
        "name": origin["teacher"]["name"],
        "source_hash": origin["teacher"]["sha256"],
        "licence": origin["licence"],
    }
    student = origin.get("student")
    first = []
    if student:
        first = [Item("weights", "student", origin["licence"], source, student["sha256"])]
    return [*first, *_teacher(teacher, source)]


def _facemesh() -> list[Item]:
    """What portraits=facemesh and matte=true read, by the metadata in each file and the NOTICE."""
    items = []
    notice = (PRETRAINED / "NOTICE.md").read_text(encoding="utf-8")
    licence = "Apache-2.0" if "Apache License, Version 2.0" in " ".join(notice.split()) else UNKNOWN
    for line in notice.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 4:
            name, what, _, digest = (cell.strip("`") for cell in cells)
            kind = "asset" if name == "canonical_face" else "weights"
            items.append(Item(kind, f"{name} ({what})", licence, "facemesh's NOTICE.md", digest))
    return items


def _libraries() -> list[Item]:
    """The packages that trilift requires without extras, by their own installed metadata."""
    try:
        needed = [line for line in requires("trilift") or () if "extra ==" not in line]
    except PackageNotFoundError:
        return [Item("library", "trilift and what it requires", UNKNOWN, "not installed")]
    names = ["trilift", *(found[0] for line in needed if (found := NAME.match(line)))]
    return [_library(name) for name in names]


def _library(name: str) -> Item:
    try:
        stated = metadata(name)
    except PackageNotFoundError:
        return Item("library", name, UNKNOWN, "not installed")
    fields = [stated[key] for key in ("License-Expression", "License") if key in stated]
    first = next((text.strip().splitlines()[0] for text in fields if text.strip()), UNKNOWN)
    return Item("library", f"{name} {stated['Version']}", first, "package metadata")


def _is(stated: str, name: str) -> bool:
    """Whether a statement is this identifier, alone or before a remark."""
    return stated == name or stated.startswith((f"{name};", f"{name},", f"{name}:"))


def _json(path: Path) -> dict[str, Any]:
    return read_json_file(path, dict[str, Any])
