"""Signing: a manifest in the file, or beside it where the format has no place for one.

Nothing may write the file afterwards: another save, a remux or moving a film's index removes or
invalidates the manifest. Sign last.
"""

import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pipeline.runs.files import replaced_file
from pipeline.runs.provenance import version_of

from .certificate import Credential

EMBEDDED = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".tiff": "image/tiff",
    ".avif": "image/avif",
    ".mp4": "video/mp4",
}
"""Formats with a place for a manifest; every other file gets a sidecar."""

OTHER = "application/octet-stream"

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
COMPOSITE = SOURCE_TYPES + "compositeWithTrainedAlgorithmicMedia"
GENERATED = SOURCE_TYPES + "trainedAlgorithmicMedia"
"""IPTC's terms: made with a photograph, and by networks alone."""

DATA = "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData"
"""C2PA's own term: learnt from samples, but no medium."""

ASSERTION = "org.trilift.lift"

PHOTOGRAPH, PLANES = "photograph", "triplane"
"""By which names the action refers to its ingredients."""

SETTINGS = {
    # c2pa's default thumbnails enlarge the ingredient, the photograph, to 1024² and store it
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}


@dataclass(frozen=True)
class Origin:
    """What a result was made from.

    Attributes:
        photograph_sha256: of the photograph's file; None: unknown, or made from none.
        teacher, teacher_sha256: name and hash in the teacher's passport.
        student_sha256: of the student's file; None: no student.
        method: that lifted.
        licence: of the weights, in a sentence.
        planes_sha256: of the triplane's file that was read; None: none was.
        hooks: names of those that edited the photograph.
        is_data: it is no picture, film or mesh, but a network's file.
    """

    photograph_sha256: str | None
    teacher: str
    teacher_sha256: str
    student_sha256: str | None
    method: str
    licence: str
    planes_sha256: str | None = None
    hooks: tuple[str, ...] = ()
    is_data: bool = False

    @property
    def source_type(self) -> str:
        """The term for what it is."""
        if self.is_data:
            return DATA
        return COMPOSITE if self.ingredients else GENERATED

    @property
    def ingredients(self) -> dict[str, str]:
        """Name → sha256 of each file that the result was made from."""
        named = {PHOTOGRAPH: self.photograph_sha256, PLANES: self.planes_sha256}
        return {name: digest for name, digest in named.items() if digest is not None}


def sidecar(path: Path) -> Path:
    """Where the manifest of a format without a place for it lies: `head.glb.c2pa`."""
    return path.with_name(f"{path.name}.c2pa")


def drop_sidecars(paths: Iterable[Path]) -> None:
    """Removes the manifests beside files that were written again: they vouch for other bytes."""
    for path in paths:
        sidecar(path).unlink(missing_ok=True)


def sign(path: Path, origin: Origin, credential: Credential) -> Path:
    """Signs a finished file; nothing is downloaded, and no pixel of the photograph is stored.

    Args:
        path: picture, film, mesh, …; pictures and MP4 are replaced, others stay as they are.
        origin: what the manifest says.
        credential: certificate and key.

    Returns:
        the file with the manifest: `path`, or its sidecar.

    Raises:
        ValueError: c2pa isn't installed, or refuses the certificate or the file.
    """
    c2pa = require_c2pa()
    kind = EMBEDDED.get(path.suffix.lower())
    signed = io.BytesIO()
    try:
        signer = c2pa.Signer.from_info(
            # without a time stamp: asking an authority for one would be a request to outside.
            # None, since an empty address is an error
            c2pa.C2paSignerInfo(
                credential.algorithm, credential.certificate, credential.private_key, None
            )
        )
        builder = c2pa.Builder.from_json(
            json.dumps(manifest(path.name, origin)), context=c2pa.Context.from_dict(SETTINGS)
        )
        if kind is None:
            builder.set_no_embed()
        store = builder.sign(signer, kind or OTHER, io.BytesIO(path.read_bytes()), signed)
    except c2pa.C2paError as error:
        raise ValueError(
            f"{path} can't be signed: {error}. A certificate needs the usage emailProtection and"
            f" the identifier of its authority's key; the algorithm is {credential.algorithm}"
        ) from error
    target, content = (path, signed.getvalue()) if kind else (sidecar(path), bytes(store))
    with replaced_file(target, synced=False) as temporary:
        temporary.write_bytes(content)
    return target


def manifest(title: str, origin: Origin) -> dict[str, Any]:
    """The manifest's definition: one action, what the file was made from, the networks."""
    tool = {"name": "trilift", "version": version_of("trilift") or "unknown"}
    action: dict[str, Any] = {
        "action": "c2pa.created",
        "digitalSourceType": origin.source_type,
        "softwareAgent": tool,
    }
    definition: dict[str, Any] = {"claim_generator_info": [tool], "title": title}
    if origin.ingredients:
        action["parameters"] = {"ingredientIds": list(origin.ingredients)}
        # Described, not handed over: c2pa would copy the manifest of a signed photograph with the
        # thumbnail in it. The name of the file stays out, too.
        definition["ingredients"] = [
            {
                "title": name,
                "label": name,
                "format": "image" if name == PHOTOGRAPH else OTHER,
                "relationship": "inputTo",
                "instance_id": f"sha256:{digest}",
            }
            for name, digest in origin.ingredients.items()
        ]
    networks: dict[str, Any] = {
        "method": origin.method,
        "licence": origin.licence,
        "teacher": {"name": origin.teacher, "sha256": origin.teacher_sha256},
        "student": origin.student_sha256 and {"sha256": origin.student_sha256},
    }
    if origin.hooks:
        networks["hooks"] = list(origin.hooks)
    definition["assertions"] = [
        {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
        {"label": ASSERTION, "data": networks},
    ]
    return definition


def require_c2pa() -> ModuleType:
    """The module c2pa; ValueError says how to get it."""
    try:
        import c2pa
    except ImportError as error:
        raise ValueError("manifests need c2pa: pip install 'trilift[provenance]'") from error
    return c2pa
