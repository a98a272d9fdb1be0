"""Identities that were lifted before, from the files that `trilift lift` wrote."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.inference.reconstructor import LiftedPortrait
from pipeline.inference.triplane_file import read_triplane
from pipeline.lifter import Lifter
from pipeline.runs.files import sha256_of_file
from students.stored_planes import StoredPlanes
from teachers.passport import Passport
from teachers.plain_values import read_json_file
from teachers.rendering.triplane import Triplane

TRIPLANE, IDENTITY = "triplane.safetensors", "identity.safetensors"


@dataclass(frozen=True)
class MadeFrom:
    """What an identity was made from, for its manifest (`Signatory.sign`)."""

    photograph_sha256: str | None = None
    planes_sha256: str | None = None
    hooks: tuple[str, ...] = ()


def stored_origin(file: Path) -> MadeFrom:
    """The file itself, and the photograph and hooks that `trilift lift` noted beside it.

    Raises:
        ValueError: crop.json beside it can't be read.
    """
    beside = file.with_name("crop.json")
    record = read_json_file(beside) if beside.is_file() else {}
    hooks = tuple(str(hook["name"]) for hook in record.get("hooks", ()))
    return MadeFrom(record.get("source_sha256"), sha256_of_file(file), hooks)


def stored_identity(source: Path) -> Path | None:
    """The file that holds an identity's planes: `source`, or the one in a folder of `trilift lift`;
    None: it holds photographs.
    """
    if source.is_dir():
        file = source / TRIPLANE
        return file if file.is_file() else None
    return source if source.suffix == ".safetensors" else None


def stored_name(file: Path) -> str:
    """The identity's: that of its folder, or of a file that is called otherwise."""
    if file.name in (TRIPLANE, IDENTITY):
        return file.resolve().parent.name
    return file.stem


def read_stored(
    file: Path, student: Callable[[Passport], Lifter], device: torch.device
) -> LiftedPortrait:
    """The identity of a file.

    The renderer is that of identity.safetensors, which the inversions write beside their triplane
    (they may have tuned it), or the student's.

    Args:
        file: triplane.safetensors or identity.safetensors.
        student: loads the student for planes with a passport.
        device: where the identity goes.

    Raises:
        ValueError: it is neither, belongs to another teacher than the student, or lies beside an
            identity.safetensors with other planes.
    """
    if file.name == IDENTITY:
        lifter = Lifter.load(file).to(device).eval()
        size = int(getattr(lifter.encoder, "image_size", 1))
        with torch.no_grad():
            triplane = lifter.lift(torch.zeros(1, 3, size, size, device=device))
        return LiftedPortrait(lifter, triplane)
    triplane, passport = read_triplane(file, device)
    lifter = _inverted(file, triplane) or student(passport)
    passport.require_same(lifter.passport, mine=str(file), others="checkpoint")
    return LiftedPortrait(lifter.to(device).eval(), triplane)


def _inverted(file: Path, triplane: Triplane) -> Lifter | None:
    """What an inversion wrote beside the triplane of `file`; None: nothing.

    Raises:
        ValueError: it has other planes, and may have been tuned for those.
    """
    beside = file.with_name(IDENTITY)
    if not beside.is_file():
        return None
    lifter = Lifter.load(beside)
    encoder = lifter.encoder
    if isinstance(encoder, StoredPlanes):
        planes = triplane.planes.to(encoder.planes)
        if not torch.equal(planes, encoder.planes):
            raise ValueError(
                f"{beside} has other planes than {file}, so its renderer is another identity's:"
                f" lift again, or move {IDENTITY} away, then the student's renderer draws them"
            )
    return lifter
