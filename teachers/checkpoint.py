"""Reading teacher folders; `Passport.kind` selects the class."""

from pathlib import Path

from .eg3d.discriminator import Discriminator
from .eg3d.teacher import load_discriminator as load_eg3d_discriminator
from .eg3d.teacher import load_frozen
from .kinds import KINDS
from .passport import Passport
from .teacher import Teacher

BUNDLED = Path(__file__).resolve().parent / "pretrained"
"""The teachers that travel with the package."""


def load_teacher(path: Path | str) -> Teacher:
    """Reads a teacher folder (config.json, passport.json, generator.safetensors).

    Args:
        path: the folder; "bundled/NAME" is one that travels with trilift.

    Raises:
        FileNotFoundError: there is no such folder, or a file is missing in it.
        ValueError: it isn't a teacher folder, or of an unknown kind.
    """
    path = teacher_folder(path)
    if path.is_file():
        hint = (
            f": convert it first, with `trilift convert checkpoint={path} output=DIR`"
            if path.suffix == ".pkl"
            else ""
        )
        raise ValueError(f"{path} is a file, a teacher is a folder with a passport.json{hint}")
    if not (path / "passport.json").is_file():
        raise FileNotFoundError(f"{path} is not a teacher folder: it has no passport.json")
    name = Passport.read(path / "passport.json").kind
    if name not in KINDS:
        raise ValueError(
            f"{path} holds a teacher of kind {name!r}; this trilift reads {', '.join(KINDS)}"
        )
    kind = KINDS[name]
    return load_frozen(path, kind.configuration, kind.generator)


def load_discriminator(path: Path | str) -> Discriminator:
    """Reads the discriminator in a teacher folder (see `load_teacher`).

    Raises:
        FileNotFoundError: the folder has none.
        ValueError: a file is damaged.
    """
    return load_eg3d_discriminator(teacher_folder(path))


def discriminator_of(passport: Passport, given: Path | str | None = None) -> Discriminator:
    """The discriminator of a teacher, in the folder given or in a bundled one.

    Raises:
        FileNotFoundError: neither is this teacher's, or it has none.
        ValueError: a file is damaged.
    """
    folder = folder_of(passport, given)
    if folder is None:
        raise FileNotFoundError(f"no folder of teacher {passport.name!r} is known")
    return load_discriminator(folder)


def folder_of(passport: Passport, given: Path | str | None = None) -> Path | None:
    """The folder of the teacher with these weights: the one given, or a bundled one; None: neither
    has them.
    """
    folders = [] if given is None else [teacher_folder(given)]
    for folder in [*folders, *sorted(BUNDLED.iterdir())]:
        file = folder / "passport.json"
        if file.is_file() and Passport.read(file).source_hash == passport.source_hash:
            return folder
    return None


def teacher_folder(path: Path | str) -> Path:
    """The folder of a teacher: a path, or "bundled/NAME" for one that travels with trilift.

    A folder of that name in the working directory takes precedence.
    """
    return bundled_or_here(path, BUNDLED)


def bundled_or_here(path: Path | str, bundled: Path) -> Path:
    """Resolves "bundled/…" to the folder `bundled`, unless such a path exists here."""
    path = Path(path)
    return (
        bundled.joinpath(*path.parts[1:])
        if path.parts[:1] == ("bundled",) and not path.exists()
        else path
    )
