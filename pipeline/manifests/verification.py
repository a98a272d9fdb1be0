"""Verification: whether a file is the one that was signed, and what its manifest says."""

import copy
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from .signing import ASSERTION, EMBEDDED, OTHER, SETTINGS, require_c2pa, sidecar

State = Literal["valid", "untrusted", "broken", "none"]

ALSO_READ = {
    ".jpe": "image/jpeg",
    ".jfif": "image/jpeg",
    ".tif": "image/tiff",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".m4v": "video/x-m4v",
    ".mov": "video/quicktime",
}
"""Other names of signed files, besides those that trilift gives them (`EMBEDDED`)."""

STORE = b"jumdc2pa"
"""Begins every manifest, whatever the format: type and first letters of a JUMBF description box."""

UNTRUSTED = "signingCredential.untrusted"

MEANING: dict[State, str] = {
    "valid": "unchanged since it was signed, by a certificate that you trust",
    "untrusted": "unchanged since it was signed, but anybody may have made the certificate",
    "broken": "changed since it was signed, or the manifest is damaged",
    "none": "no manifest: says nothing about where the file comes from",
}


@dataclass(frozen=True)
class Verdict:
    """What a file's manifest is worth.

    Attributes:
        state: see `MEANING`.
        reasons: c2pa's codes of what failed, besides the missing trust; of "none", why the file
            can't be read, if it can't.
        signer: the certificate's organisation and name, as it claims them.
        manifest: the active one, as c2pa reads it; {} without a readable one.
    """

    state: State
    reasons: tuple[str, ...] = ()
    signer: str = ""
    manifest: dict[str, Any] = field(default_factory=dict)

    @property
    def origin(self) -> dict[str, Any]:
        """The assertion of trilift; {} if there is none."""
        found = (each for each in self.manifest.get("assertions", ()) if each["label"] == ASSERTION)
        return next((each["data"] for each in found), {})

    @property
    def ingredients(self) -> list[str]:
        """What the file was made from: relationship, title, identifier."""
        return [
            " ".join(str(each.get(key, "")) for key in ("relationship", "title", "instance_id"))
            for each in self.manifest.get("ingredients", ())
        ]


def verify(path: Path, anchors: bytes | None = None) -> Verdict:
    """Checks signature and hashes; nothing is downloaded.

    Args:
        path: the file; a sidecar beside it is found by itself.
        anchors: PEM of the roots that are trusted; None: none is.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: c2pa isn't installed.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}")
    c2pa = require_c2pa()
    settings: dict[str, Any] = copy.deepcopy(SETTINGS)
    if anchors is not None:
        settings["trust"] = {"trust_anchors": anchors.decode()}
        settings["verify"]["verify_trust"] = True
    kind, store = _where(path)
    if kind is None:
        these = f"{path.suffix} files" if path.suffix else "files without a suffix"
        return Verdict("none", (f"{these} aren't read, and there is no {sidecar(path).name}",))
    content = path.read_bytes()
    try:
        context = c2pa.Context.from_dict(settings)
        reader = c2pa.Reader(kind, io.BytesIO(content), store, context=context)
        state, active = reader.get_validation_state(), reader.get_active_manifest()
        failed = reader.get_validation_results()["activeManifest"]["failure"]
    except c2pa.C2paError.ManifestNotFound:
        return Verdict("none")
    except c2pa.C2paError as error:
        if store is None and STORE not in content:  # empty, or a text that is called .png
            return Verdict("none", (f"it can't be read as {kind}: {error}",))
        return Verdict("broken", (str(error),))
    reasons = tuple(each["code"] for each in failed if each["code"] != UNTRUSTED)
    info = active.get("signature_info", {})
    signer = " / ".join(filter(None, (info.get("issuer"), info.get("common_name"))))
    states: dict[str, State] = {"Trusted": "valid", "Valid": "untrusted"}
    verdict: State = "broken" if reasons else states.get(str(state), "broken")
    return Verdict(verdict, reasons, signer, active)


def _where(path: Path) -> tuple[str | None, bytes | None]:
    """As what c2pa reads the file, None: as nothing; and the manifest beside it, if it is there."""
    suffix, beside = path.suffix.lower(), sidecar(path)
    if suffix not in EMBEDDED and beside.is_file():
        return OTHER, beside.read_bytes()
    return {**EMBEDDED, **ALSO_READ}.get(suffix), None
