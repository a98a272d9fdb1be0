"""Who signs the results of a verb: `provenance=c2pa` and `signing.*`."""

from pathlib import Path
from typing import Any

from pipeline.manifests.certificate import read_credential
from pipeline.manifests.signatory import Signatory
from pipeline.manifests.signing import Origin, require_c2pa
from pipeline.runs.files import sha256_of_file
from teachers.passport import Passport


def build_signatory(
    settings: dict[str, Any],
    passport: Passport,
    method: str,
    student: Path | None = None,
    *,
    is_data: bool = False,
) -> Signatory | None:
    """What signs; None: `provenance` asks for nothing.

    Args:
        settings: plain, of the verb.
        passport: of the teacher.
        method: that made the results.
        student: the file of the student that they come from; None: from none.
        is_data: the results are no pictures, films or meshes (exported networks).

    Raises:
        ValueError: an unknown kind of provenance, or c2pa isn't installed.
        FileNotFoundError: there is no certificate.
    """
    if settings["provenance"] is None:
        return None
    if settings["provenance"] != "c2pa":
        raise ValueError(f"provenance is {settings['provenance']!r}: give c2pa, or null")
    require_c2pa()
    credential = read_credential(**settings["signing"])
    origin = Origin(
        photograph_sha256=None,
        teacher=passport.name,
        teacher_sha256=passport.source_hash,
        student_sha256=None if student is None else sha256_of_file(student),
        method=method,
        licence=passport.licence,
        is_data=is_data,
    )
    return Signatory(credential, origin)
